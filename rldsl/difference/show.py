"""Settings as a spec would write them, and which of two blocks differ."""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.difference.model import SettingDifference
from rldsl.graph.spec import RULES, Amount, Invocation, Schedule, Settings
from rldsl.types import format_number


def show_setting(value: object) -> str:
    """`adamw(lr: 1e-06)`, `16 prompts`, `linear(0.1 -> 0, steps: 500)`, `"text"`, `true`."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case int() | float():
            return format_number(value)
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(show_setting(entry) for entry in value)}]"
        case Amount(number=number, unit=unit):
            return f"{format_number(number)} {unit}"
        case Schedule(kind="piecewise", points=points):
            return f"piecewise({', '.join(f'{at} -> {format_number(number)}' for at, number in points)})"
        case Schedule(kind=kind, start=start, end=end, steps=steps):
            return f"{kind}({format_number(start)} -> {format_number(end)}, steps: {steps})"
        case Invocation(name=name, positional=positional, named=named):
            # the first argument of a rule is a model
            arguments = [str(entry) if name in RULES and place == 0 else show_setting(entry)
                         for place, entry in enumerate(positional)]
            arguments += [f"{word}: {show_setting(entry)}" for word, entry in named]
            return f"{name}({', '.join(arguments)})"
        case _:
            return str(value)


def setting_changes(where: str, first: Settings, second: Settings) -> Iterator[SettingDifference]:
    """Settings of one block that differ, arguments of one constructor one by one."""
    before, after = dict(first), dict(second)
    for name in dict.fromkeys([*before, *after]):
        value, other = before.get(name), after.get(name)
        if (name in before) == (name in after) and value == other and isinstance(value, bool) == isinstance(other, bool):
            continue
        if isinstance(value, Invocation) and isinstance(other, Invocation) and value.name == other.name \
                and value.positional == other.positional:
            prefix = "" if name in ("source", "origin") else f"{name} "
            yield from (SettingDifference(where, prefix + change.what, change.before, change.after)
                        for change in setting_changes(where, value.named, other.named))
        else:
            texts = (show_setting(entry[name]) if name in entry else None for entry in (before, after))
            yield SettingDifference(where, name, *texts)

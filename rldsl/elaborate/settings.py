"""Settings blocks held against tables of what exists. Nothing unknown gets through; every fault is reported once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rldsl.data.isolation import CONTAINER, container_named
from rldsl.diagnostics import Diagnostic, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.setting_values import Bare, Rejected, Seconds, is_rejected, setting_value, settled
from rldsl.graph.spec import Amount, Invocation, Schedule, Settings, SettingValue
from rldsl.resolve.names import did_you_mean, listed, nearest, word_for
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import EVERYTHING, Interval, format_number


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be. `kind`: number, whole, word, text, truth, texts, pair, amount, call, any, isolation, duration (written
    with its unit; a `param` or a computed one is in seconds). `later`: known, parsed and kept, but it cannot run yet.
    `arguments`: the names that the constructors of a call take, where all take the same."""

    kind: str
    interval: Interval = EVERYTHING
    words: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    scheduled: bool = False
    later: bool = False
    example: str = ""
    arguments: tuple[str, ...] = ()


LONGEST = 60  # letters of a setting that a fix repeats
WITH_UNIT = "a duration is written with its unit: `5ms`, `30s`, `2m` or `1h`"
_MESSAGES = {"number": "a number", "whole": "a whole number", "word": "a word", "text": "a text in quotes",
             "truth": "true or false", "texts": "a text in quotes, or a list of them", "pair": "a list of two numbers",
             "amount": "an amount", "call": "a constructor", "duration": "a duration"}


def settings_of(ctx: Context, env: Environment, written: Sequence[tree.Setting], allowed: dict[str, Allowed],
                where: str) -> Settings:
    """The settings of a block; every unknown, doubled or misfitting one is reported."""
    found: dict[str, SettingValue] = {}
    seen: set[str] = set()
    for setting in written:
        rule = allowed.get(setting.name)
        if rule is None:
            ctx.report(error("RL017", f"{where} has no setting `{setting.name[:20]}`"[:60], env.span(setting),
                             "nothing reads this setting", why=f"it has {listed(sorted(allowed))}.",
                             fix=_home_of(env, setting, written, allowed) or did_you_mean(setting.name, allowed) or "delete it"))
        elif setting.name in seen:
            ctx.report(error("RL017", f"`{setting.name[:30]}` is set twice", env.span(setting), "the second time",
                             why="one setting, one value.", fix="delete one of them"))
        elif rule.kind != "any" and unit_is_amiss(setting.value, rule.kind == "duration"):
            seen.add(setting.name)
            ctx.report(_amiss(env, setting, rule))
        else:
            seen.add(setting.name)
            value = setting_value(ctx, env, setting.value)
            if fits(ctx, env, value, rule, setting.name, setting.value.span):
                found[setting.name] = settled(value)
                if rule.later:
                    ctx.defer(setting.name, f"`{setting.name}` type-checks, but running it is not built yet", setting.span)
    return tuple(found.items())


def _home_of(env: Environment, setting: tree.Setting, written: Sequence[tree.Setting], allowed: dict[str, Allowed]) -> str:
    """The setting whose constructor takes this as an argument, as it would be written; empty where none does."""
    for name, rule in allowed.items():
        if setting.name in rule.arguments:
            if any(other.name == name and _has_argument(other.value, setting.name) for other in written):
                return f"delete it: `{name}` sets it"
            text = " ".join(env.scope.source.text[setting.span.start:setting.span.end].split())
            return f"`{name}: {rule.words[0]}({text if len(text) <= LONGEST else f'{setting.name}: …'})`"
    return ""


def _has_argument(value: tree.Expr, name: str) -> bool:
    return isinstance(value, tree.Call) and any(argument.name == name for argument in value.arguments)


def unit_is_amiss(written: tree.Expr, is_duration: bool) -> bool:
    """Whether a duration is written as a plain number, or something else as a duration."""
    return isinstance(written, tree.Number if is_duration else tree.Duration)


def _amiss(env: Environment, setting: tree.Setting, rule: Allowed) -> Diagnostic:
    written = env.scope.source.text[setting.value.span.start:setting.value.span.end]
    is_duration = rule.kind == "duration"
    return error("RL018", f"`{setting.name[:24]}` does not fit", env.call_site or setting.value.span,
                 "no unit of time" if is_duration else "a unit of time",
                 why=f"{WITH_UNIT}." if is_duration else f"{_MESSAGES.get(rule.kind, rule.kind)} is needed here.",
                 fix=f"`{setting.name}: {f'{written}s' if is_duration else rule.example or example_of(rule)}`")


def fits(ctx: Context, env: Environment, value: SettingValue | Rejected, rule: Allowed, name: str, span: Span,
         owner: str = "") -> bool:
    """Whether a value fits its rule; reports where not, unless something was said of the value before."""
    if is_rejected(value):
        return False
    fault = trouble(value, rule)
    if fault is None:
        return True
    if isinstance(value, Bare) and rule.kind not in ("word", "isolation"):
        fault = _of_bare(env, value, rule)
    of = f" of `{owner}`" if owner else ""
    ctx.report(error("RL018", f"`{name[:24]}`{of[:24]} does not fit", env.call_site or span, "this value", why=fault,
                     fix=f"`{name}: {_mended(env, value, rule, span)}`"))
    return False


def _mended(env: Environment, value: SettingValue | Rejected, rule: Allowed, span: Span) -> str:
    """What to write instead: an example, with the user's own count, or the arguments of a constructor of another name where
    the right one takes them all."""
    written = env.scope.source.text[span.start:span.end]
    if isinstance(value, Invocation) and rule.kind == "call" and value.named and not value.positional and "\n" not in written \
            and all(name in rule.arguments for name, _ in value.named):
        name = nearest(value.name, rule.words) or rule.words[0]
        return f"{name}{written.removeprefix(value.name)}"
    if rule.kind == "amount" and isinstance(value, (int, float)) and not isinstance(value, bool) and _is_count(value):
        return f"{format_number(value)} {rule.units[0]}"
    return rule.example or example_of(rule)


def _of_bare(env: Environment, word: str, rule: Allowed) -> str:
    """What is wrong with a bare word where something else is needed."""
    bound = env.scope.bindings.get(word)
    wanted = f"{_MESSAGES.get(rule.kind, rule.kind)} is needed here"
    if bound is not None:
        return f"{wanted}; `{word}` is a {word_for(bound[1])}, and settings are known before anything runs."
    if rule.kind in ("text", "texts"):
        return f"{wanted}; `{word}` has no quotes."
    params = [name for name, (_, item) in env.scope.bindings.items() if isinstance(item, tree.Param)]
    near = did_you_mean(word, params)
    return f"{wanted}, and no `param` is called `{word}`" + (f"; {near}" if near else ".")


def trouble(value: SettingValue | Rejected, rule: Allowed) -> str | None:
    """What is wrong with a value, as a sentence; None if nothing is."""
    match rule.kind, value:
        case "duration", _:
            return trouble(settled(value) if isinstance(value, Seconds) else value, replace(rule, kind="number"))
        case "number" | "whole" | "truth" | "pair" | "amount", Seconds():
            return f"{_MESSAGES[rule.kind]} is needed here, and a unit of time is written."
        case "number", bool():
            return "a number is needed here; `true` and `false` are none."
        case "number" | "whole", int() | float() if _is_of_kind(rule.kind, value):
            return None if rule.interval.contains(float(value)) else f"it must lie in {rule.interval}."
        case "number", Schedule(start=start, end=end, points=points) if rule.scheduled:
            numbers = (start, end, *(number for _, number in points))
            return None if all(rule.interval.contains(number) for number in numbers) else f"it must lie in {rule.interval}."
        case "number" | "whole", Schedule():
            return "it does not change over training: schedules are for `param`s and learning rates."
        case "word", str():
            return None if value in rule.words else _choice(rule.words)
        case "text", str() if not isinstance(value, Bare):
            return None
        case "truth", bool():
            return None
        case "texts", str() if not isinstance(value, Bare):
            return None if value else "an empty text ends nothing."
        case "texts", tuple() if all(isinstance(entry, str) and entry and not isinstance(entry, Bare) for entry in value):
            return None
        case "pair", tuple() if len(value) == 2 and all(_is_of_kind("number", entry) for entry in value):
            return None if all(isinstance(entry, (int, float)) and rule.interval.contains(float(entry)) for entry in value) \
                else f"each must lie in {rule.interval}."
        case "amount", Amount(unit=unit, number=number):
            if unit not in rule.units:
                return f"it is counted in {listed(rule.units)}."
            return None if _is_count(number) else "it is a whole number, at least 1 and at most 1,000,000,000."
        case "amount", int() | float():
            return f"it is counted in {listed(rule.units)}, and no unit is written."
        case "call", Invocation(name=name):
            return None if name in rule.words else _choice(rule.words)
        case "isolation", _:
            fits = value in rule.words or container_named(value) is not None
            return None if fits else f"it is {listed(rule.words)}, or `{CONTAINER}`."
        case "any", _:
            return None
        case _:
            return f"{_MESSAGES.get(rule.kind, rule.kind)} is needed here."


def _choice(words: tuple[str, ...]) -> str:
    return f"there is only `{words[0]}`." if len(words) == 1 else f"it is one of {listed(words)}."


def _is_of_kind(kind: str, value: object) -> bool:
    return not isinstance(value, bool | Seconds) and isinstance(value, int if kind == "whole" else (int, float))


def _is_count(number: float) -> bool:
    return 1 <= number <= 1e9 and number == int(number)


def example_of(rule: Allowed) -> str:
    """A value that fits."""
    match rule.kind:
        case "number":
            return "1.0" if rule.interval.contains(1.0) else format_number(rule.interval.low)
        case "whole":
            return "8" if rule.interval.contains(8.0) else format_number(rule.interval.low)
        case "word" | "call" | "isolation":
            return rule.words[0]
        case "amount":
            return f"16 {rule.units[0]}"
        case "truth":
            return "true"
        case "texts":
            return '["…"]'
        case "pair":
            return "[0.9, 0.95]"
        case _:
            return '"…"'

"""How two specs train differently: steps that were added, removed or set otherwise, found where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from rldsl.difference.correspondence import Correspondence
from rldsl.difference.least import differs_by_itself
from rldsl.difference.model import SettingDifference
from rldsl.difference.objectives import objective_pairs
from rldsl.difference.show import setting_changes, show_setting
from rldsl.difference.side import Ref, Side
from rldsl.graph.steps import Assign, Draw, Evaluate, Every, Repeat, Reset, Save, StageStep, Step, Update, When


@dataclass(frozen=True, slots=True)
class _Reader:
    """One side, and the names that the other side has for what is declared here."""

    side: Side
    models: Mapping[str, str]
    data: Mapping[str, str]
    objectives: Mapping[str, str]
    states: Mapping[str, str]


def schedule_differences(before: Side, after: Side, correspondence: Correspondence) -> Iterator[SettingDifference]:
    """What differs in the `train` blocks."""
    pairs, _, _ = objective_pairs(before, after)
    partners = {second.name: first.name for first, second in pairs}
    readers = (_Reader(before, {}, {}, {}, {}),
               _Reader(after, correspondence.models, correspondence.data, partners, correspondence.states))
    yield from _steps(readers, before.spec.train, after.spec.train, "train")


def _steps(readers: tuple[_Reader, _Reader], first: Sequence[Step], second: Sequence[Step], where: str
           ) -> Iterator[SettingDifference]:
    signatures = [_signature(readers[0], step) for step in first], [_signature(readers[1], step) for step in second]
    pairs = _common(*signatures)
    kept = {index for index, _ in pairs}, {index for _, index in pairs}
    for index, place in pairs:
        yield from _step(readers, first[index], second[place], where)
    for index, step in enumerate(first):
        if index not in kept[0]:
            yield SettingDifference(where, "no longer", _text(readers[0].side, step), None)
    for index, step in enumerate(second):
        if index not in kept[1]:
            yield SettingDifference(where, "also", None, _text(readers[1].side, step))


def _common(first: Sequence[object], second: Sequence[object]) -> list[tuple[int, int]]:
    """The longest sequence of equal entries that both have, as pairs of places."""
    longest = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for index in reversed(range(len(first))):
        for place in reversed(range(len(second))):
            longest[index][place] = longest[index + 1][place + 1] + 1 if first[index] == second[place] \
                else max(longest[index + 1][place], longest[index][place + 1])
    found, index, place = list[tuple[int, int]](), 0, 0
    while index < len(first) and place < len(second):
        if first[index] == second[place]:
            found.append((index, place))
            index, place = index + 1, place + 1
        elif longest[index + 1][place] >= longest[index][place + 1]:
            index += 1
        else:
            place += 1
    return found


def _signature(reader: _Reader, step: Step) -> tuple[str, ...]:
    """What makes two steps versions of one: everything but counts, conditions and settings."""
    match step:
        case StageStep(name=name):
            return "stage", name
        case Draw(data=data):
            return "draw", reader.data.get(data or "", data or "")
        case Update(model=model, objective=objective):
            return "update", reader.models.get(model, model), reader.objectives.get(objective, objective)
        case Reset(model=model, to=to):
            return "reset", reader.models.get(model, model), reader.models.get(to, to)
        case Evaluate(name=name):
            return "evaluate", name
        case Assign(state=state):
            return "assign", reader.states.get(state, state)
        case Repeat() | Every() | When() | Save():
            return (type(step).__name__,)
        case _:
            assert_never(step)


def _step(readers: tuple[_Reader, _Reader], first: Step, second: Step, where: str) -> Iterator[SettingDifference]:
    match first, second:
        case (Repeat(count=count, body=body), Repeat(count=other, body=other_body)):
            yield from _number("repeat", where, count, other)
            yield from _steps(readers, body, other_body, where)
        case (Every(count=count, body=body), Every(count=other, body=other_body)):
            yield from _number("every", where, count, other)
            yield from _steps(readers, body, other_body, f"{where}, every {other}")
        case (StageStep(body=body), StageStep(name=name, body=other_body)):
            yield from _steps(readers, body, other_body, f"stage {name}")
        case (When(condition=key, body=body), When(condition=other, body=other_body)):
            yield from _value("when", readers, where, key, other)
            yield from _steps(readers, body, other_body, where)
        case Draw(), Draw():
            yield from _number("draw", where, first.count, second.count)
            if first.sampler != second.sampler:
                yield SettingDifference(where, "sampler", first.sampler or "none", second.sampler or "none")
        case Update(), Update():
            name = f"update {second.model} with {second.objective}"
            yield from setting_changes(name, first.settings, second.settings)
            if first.on != second.on:
                yield SettingDifference(name, "on", first.on or "what was drawn", second.on or "what was drawn")
        case Assign(key=key, state=state), Assign(key=other):
            yield from _value(f"{state} <-", readers, where, key, other)
        case _:
            pass


def _number(what: str, where: str, first: int, second: int) -> Iterator[SettingDifference]:
    if first != second:
        yield SettingDifference(where, what, str(first), str(second))


def _value(what: str, readers: tuple[_Reader, _Reader], where: str, first: int, second: int) -> Iterator[SettingDifference]:
    sides = readers[0].side, readers[1].side
    if differs_by_itself(*sides, Ref(first), Ref(second)):
        yield SettingDifference(where, what, sides[0].equation(Ref(first)), sides[1].equation(Ref(second)))


def _text(side: Side, step: Step) -> str:
    """A step on one line."""
    match step:
        case Repeat(count=count, body=body):
            return f"repeat {count} {_block(side, body)}"
        case StageStep(name=name, body=body):
            return f"stage {name} {_block(side, body)}"
        case Every(count=count, body=body):
            return f"every {count} {_block(side, body)}"
        case When(condition=key, body=body):
            return f"when {side.equation(Ref(key))} {_block(side, body)}"
        case Draw(count=count, data=data):
            return f"draw {count} prompts" + (f" from {data}" if data is not None else "")
        case Update(model=model, objective=objective, settings=settings):
            inner = ", ".join(f"{name}: {show_setting(value)}" for name, value in settings)
            return f"update {model} with {objective} {{ {inner} }}"
        case Reset(model=model, to=to):
            return f"reset {model} to {to}"
        case Evaluate(name=name):
            return f"evaluate {name}"
        case Save():
            return "save"
        case Assign(state=state, key=key):
            return f"{state} <- {side.equation(Ref(key))}"
        case _:
            assert_never(step)


def _block(side: Side, body: Sequence[Step]) -> str:
    return f"{{ {'  '.join(_text(side, step) for step in body)} }}"

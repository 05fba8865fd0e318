"""`--what-if`: what a change of a spec does to kept values, without asking anybody. Reads and changes specs; computes nothing.

    style weight 0.4             the coefficient of `style` in the sums it is a term of
    beta = 0.2                   a parameter
    total = correct * style      a reward or let, as another expression
    clear."Refuses" weight 5     a criterion of a rubric: weight or penalty with a number, gate or veto with one or without
    style weight 0.4; beta = 0   several changes at once
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, assert_never

from rldsl.compiler import check_source
from rldsl.diagnostics.render import render_diagnostics
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.resolve.names import did_you_mean, listed
from rldsl.scores.faults import ScoreError
from rldsl.scores.weights import Occurrence, occurrences, with_weight
from rldsl.source import Source
from rldsl.syntax import tree
from rldsl.syntax.parse import parse

MARKS: Final = ("weight", "penalty", "gate", "veto")
_WEIGHT = re.compile(r"(?P<name>[A-Za-z_]\w*)\s+weight\s+(?P<number>\S+)")
_CRITERION = re.compile(r'(?P<rubric>[A-Za-z_]\w*)\s*\.\s*"(?P<text>[^"]*)"\s*(?P<mark>[a-z]+)(?:\s+(?P<number>\S+))?')
_VALUE = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*=(?!=)\s*(?P<value>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Weight:
    """`NAME weight NUMBER`."""

    name: str
    number: float


@dataclass(frozen=True, slots=True)
class Mark:
    """`RUBRIC."TEXT" MARK NUMBER`; a veto or a gate may go without."""

    rubric: str
    text: str
    mark: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Definition:
    """`NAME = EXPRESSION`, of a parameter, a reward or a let."""

    name: str
    value: str


Change: TypeAlias = Weight | Mark | Definition


@dataclass(frozen=True, slots=True)
class Changed:
    """A spec after a what-if, and what was changed, in sentences."""

    spec: Spec
    notes: tuple[str, ...]


def parse_what_if(text: str) -> tuple[Change, ...]:
    """The changes that a `--what-if` names. Raises `ScoreError` for other forms."""
    parts = [part.strip() for part in re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', text)]
    return tuple(_change(part) for part in parts if part) or (_change(text),)


def _change(text: str) -> Change:
    if found := _WEIGHT.fullmatch(text):
        return Weight(found["name"], _number(found["number"], text))
    if found := _CRITERION.fullmatch(text):
        if found["mark"] not in MARKS or (found["number"] is None and found["mark"] in ("weight", "penalty")):
            raise _form(text)
        number = None if found["number"] is None else _number(found["number"], text)
        return Mark(found["rubric"], found["text"], found["mark"], number)
    if found := _VALUE.fullmatch(text):
        return Definition(found["name"], found["value"].strip())
    raise _form(text)


def _number(word: str, text: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise _form(text) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise _form(text)
    return number


def _form(text: str) -> ScoreError:
    return ScoreError(f"`{text[:60]}` is no what-if", "it changes a weight, a parameter, a reward or a criterion.",
                      '`style weight 0.4`, `beta = 0.2`, `total = correct * style`, `clear."Refuses" weight 5`; several with `;`',
                      exit_status=2)


def apply_what_if(spec: Spec, changes: Sequence[Change], project: Path, overrides: Mapping[str, str]) -> Changed:
    """The spec that the changes make. Raises `ScoreError` where one of them names nothing that can be changed."""
    params = {entry.name for entry in spec.params}
    values, text, notes = dict(overrides), spec.source.text, list[str]()
    for change in changes:
        match change:
            case Definition(name=name, value=value) if name in params:
                before = next(entry.value for entry in spec.params if entry.name == name)
                values[name] = value
                notes.append(f"`{name}`: {before} → {value}")
            case Definition():
                text = _defined(spec, text, change)
            case Mark():
                text, note = _marked(spec, text, change)
                notes.append(note)
            case Weight():
                _known(spec, change.name, {entry.name for entry in (*spec.rewards, *spec.lets)}, "reward or let")
            case _:
                assert_never(change)
    found = _checked(spec, text, project, values)
    for change in changes:
        if isinstance(change, Weight):
            places = _places(found, change)
            found = with_weight(found, places, change.number)
            notes += [f"coefficient of `{change.name}` in {place.where}: {place.shown} → {change.number:g}" for place in places]
    return Changed(found, tuple(notes))


def _checked(spec: Spec, text: str, project: Path, values: Mapping[str, str]) -> Spec:
    result = check_source(Source(spec.source.name, text), project_loader(project), values)
    wrong = {entry.primary.span for entry in result.errors if entry.code == "RL019"}
    for param in spec.params:  # what stands in no file is shown as it was written on the command line
        if param.name in values and param.span in wrong:
            raise ScoreError(f"`{param.name} = {values[param.name][:60]}` is no value of `{param.name}`",
                             f"its type is {param.type}.",
                             f"a value of that type; now it is `{param.name} = {param.value}`", exit_status=2)
    if result.errors or result.spec is None:
        raise ScoreError("the spec with this change is wrong\n" + render_diagnostics(result.errors, result.sources, color=False))
    return result.spec


def _places(spec: Spec, change: Weight) -> tuple[Occurrence, ...]:
    key = next(entry.key for entry in (*spec.rewards, *spec.lets) if entry.name == change.name)
    places = occurrences(spec, key)
    if not places:
        others = sorted({entry.name for entry in (*spec.rewards, *spec.lets) if occurrences(spec, entry.key)})
        raise ScoreError(f"`{change.name}` has no weight", "it is no term of a sum: a factor has no coefficient.",
                         f"terms of sums are {listed(others)}" if others else f"`{change.name} = …` defines it anew", 2)
    return places


def _known(spec: Spec, name: str, known: set[str], what: str) -> None:
    if name not in known:
        fix = did_you_mean(name, known) or (f"name one of them: {listed(sorted(known))}" if known else "")
        raise ScoreError(f"there is no {what} `{name}`", can_change(spec), fix, exit_status=2)


def can_change(spec: Spec) -> str:
    """What of a spec a what-if may name, in a sentence."""
    weights = [entry.name for entry in (*spec.rewards, *spec.lets) if occurrences(spec, entry.key)]
    rubrics = list(_rubrics(spec, spec.source.text))
    parts = [("weights of", weights), ("parameters", [entry.name for entry in spec.params]),
             ("values", [entry.name for entry in (*spec.rewards, *spec.lets)]), ("criteria of", rubrics)]
    return "there are " + "; ".join(f"{word} {listed(names)}" for word, names in parts if names) + "."


# ------------------------------------------------------------------ changes of the text
def _items(text: str, spec: Spec) -> Iterator[tree.Item]:
    module, _ = parse(Source(spec.source.name, text))
    yield from module.items if module is not None else ()


def _rubrics(spec: Spec, text: str) -> dict[str, tree.Rubric]:
    found = (item for item in _items(text, spec))
    return {item.name: item for item in found if isinstance(item, tree.Rubric)}


def _defined(spec: Spec, text: str, change: Definition) -> str:
    for item in _items(text, spec):
        match item:
            case tree.Reward(name=change.name, value=value) | tree.Let(name=change.name, value=value):
                return text[:value.span.start] + f"({change.value})" + text[value.span.end:]
            case _:
                pass
    named = {entry.name for entry in (*spec.rewards, *spec.lets)} | {entry.name for entry in spec.params}
    _known(spec, change.name, named - {change.name}, "parameter, reward or let")
    raise AssertionError


def _marked(spec: Spec, text: str, change: Mark) -> tuple[str, str]:
    rubrics = _rubrics(spec, text)
    _known(spec, change.rubric, set(rubrics), "rubric")
    criteria = rubrics[change.rubric].criteria
    exact = [entry for entry in criteria if entry.text == change.text]
    found = exact or [entry for entry in criteria if change.text.lower() in entry.text.lower()]
    if len(found) != 1:
        said = "is in none of" if not found else "is in several of"
        raise ScoreError(f'"{change.text}" {said} the criteria of `{change.rubric}`',
                         "there are " + ", ".join(f'"{entry.text}"' for entry in criteria) + ".",
                         "write as much of one as is in no other", exit_status=2)
    criterion = found[0]
    end = criterion.amount.span.end if criterion.amount is not None else \
        criterion.span.start + text[criterion.span.start:criterion.span.end].index(criterion.mark) + len(criterion.mark)
    before = text[criterion.span.start:end]
    quoted = before[:before.rindex('"') + 1]
    mark = change.mark + ("" if change.number is None else f" {change.number:g}")
    note = f"`{change.rubric}`: {' '.join(before.split())} → {mark}"
    return text[:criterion.span.start] + f"{quoted} {mark}" + text[end:], note

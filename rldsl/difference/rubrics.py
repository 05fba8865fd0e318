"""Rubrics that judge by something else: their criteria, who judges, how it is asked."""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.difference.model import Change, PartDifference, Status
from rldsl.difference.side import Side
from rldsl.graph.model import Constant, Setting
from rldsl.graph.spec import CriterionSpec, RubricSpec, Spec
from rldsl.rewards.rubrics.scale import Scale


def rubric_partners(before: Spec, after: Spec) -> dict[str, str]:
    """Rubrics of the second spec by the names that the first one has for them: their own, else of one that asks the same."""
    left, right = ({rubric.name: rubric for rubric in spec.rubrics} for spec in (before, after))
    found = {name: name for name in right if name in left}
    for name, rubric in right.items():
        same = [other for other, entry in left.items() if other not in found.values() and _asks(entry) == _asks(rubric)]
        if name not in found and same:
            found[name] = same[0]
    return found


def _asks(rubric: RubricSpec) -> object:
    constants = tuple(entry for entry in rubric.asks if entry[0] != "judge")
    return constants, tuple((criterion.text, criterion.mark, criterion.scale) for criterion in rubric.criteria)


def rubric_differences(first: Side, second: Side) -> Iterator[PartDifference]:
    """What differs in rubrics that both specs have. One that a spec alone has shows in the rewards that use it."""
    left = {rubric.name: rubric for rubric in first.spec.rubrics}
    for rubric in second.spec.rubrics:
        partner = left.get(second.names.externs.get(rubric.name, rubric.name))
        changes = () if partner is None else tuple(_changes(first, partner, second, rubric))
        if changes:
            yield PartDifference("rubric", rubric.name, Status.CHANGED, changes)


def _changes(first: Side, before: RubricSpec, second: Side, after: RubricSpec) -> Iterator[Change]:
    left, right = ({entry.text: _criterion(side, entry) for entry in rubric.criteria}
                   for side, rubric in ((first, before), (second, after)))
    for text in dict.fromkeys([*left, *right]):
        if left.get(text) != right.get(text):
            yield Change("a criterion", left.get(text), right.get(text))
    if before.judge != second.names.models.get(after.judge, after.judge):
        yield Change(f"judged by {before.judge} → {after.judge}")
    asks = dict(before.asks)
    for word, value in after.asks:
        if word not in ("judge", "scales") and value != asks[word]:
            yield Change(f"{word}: {_shown(asks[word])} → {_shown(value)}")


def _criterion(side: Side, criterion: CriterionSpec) -> str:
    operation = side.spec.graph[criterion.amount].operation
    amount = f"{operation.value:g}" if isinstance(operation, Constant) else side.spec.graph[criterion.amount].name or "…"
    scale = Scale.of(criterion.scale)
    shown = "" if scale.is_binary and scale.words else f" on {scale}"
    return f'"{criterion.text}" {criterion.mark} {amount}{shown}'


def _shown(value: Setting) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float | int) else str(value) or "none"

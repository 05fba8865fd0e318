"""Objectives that differ: added, removed, or changed in their terms, with the level at which their gradients couple."""

from __future__ import annotations

from collections.abc import Callable

from rldsl.difference.correspondence import Correspondence
from rldsl.difference.model import Change, ObjectiveDifference, PartDifference, Status
from rldsl.difference.side import Side
from rldsl.difference.terms import shown, term_differences, terms_of, total_of
from rldsl.graph.spec import ObjectiveSpec
from rldsl.passes import compile_objective


def objective_pairs(before: Side, after: Side
                    ) -> tuple[list[tuple[ObjectiveSpec, ObjectiveSpec]], list[ObjectiveSpec], list[ObjectiveSpec]]:
    """Objectives by name, by what they optimise, by what they train, and what is left if it is one on each side; and those
    without a partner."""
    left, right = list(before.spec.objectives), list(after.spec.objectives)
    pairs: list[tuple[ObjectiveSpec, ObjectiveSpec]] = []
    rules: tuple[Callable[[ObjectiveSpec, ObjectiveSpec], bool], ...] = (
        lambda first, second: first.name == second.name,
        lambda first, second: total_of(before, first) == total_of(after, second),
        lambda first, second: _trained(before, first) == _trained(after, second) and _is_only(left, first)
        and _is_only(right, second),
        lambda first, second: len(left) == len(right) == 1)
    for rule in rules:
        for objective in list(left):
            other = next((entry for entry in right if rule(objective, entry)), None)
            if other is not None:
                left.remove(objective)
                right.remove(other)
                pairs.append((objective, other))
    order = {objective.name: index for index, objective in enumerate(before.spec.objectives)}
    return sorted(pairs, key=lambda pair: order[pair[0].name]), left, right


def _is_only(objectives: list[ObjectiveSpec], objective: ObjectiveSpec) -> bool:
    """Whether no other of them trains the same model."""
    return sum(entry.model == objective.model for entry in objectives) == 1


def _trained(side: Side, objective: ObjectiveSpec) -> str:
    return side.names.models.get(objective.model, objective.model)


def objective_differences(before: Side, after: Side, correspondence: Correspondence) -> tuple[ObjectiveDifference, ...]:
    """The objectives that do not optimise the same."""
    pairs, left, right = objective_pairs(before, after)
    found = [difference for pair in pairs if (difference := _difference(before, after, *pair, correspondence)) is not None]
    found += [_alone(before, objective, Status.REMOVED) for objective in left]
    return (*found, *(_alone(after, objective, Status.ADDED) for objective in right))


def _difference(before: Side, after: Side, first: ObjectiveSpec, second: ObjectiveSpec,
                correspondence: Correspondence) -> ObjectiveDifference | None:
    model = correspondence.models.get(second.model, second.model)
    is_same = total_of(before, first) == total_of(after, second)
    if is_same and model == first.model:
        return None
    parts = () if is_same else tuple(term_differences(before, after, first, second))
    if model != first.model:
        parts = (PartDifference("trains", second.name, Status.CHANGED, (Change(f"trains {first.model} → {second.model}"),)), *parts)
    levels = tuple(compile_objective(side.spec, objective).coupling.word
                   for side, objective in ((before, first), (after, second)))
    return ObjectiveDifference(second.name, Status.CHANGED, parts, (levels[0], levels[1]) if levels[0] != levels[1] else None)


def _alone(side: Side, objective: ObjectiveSpec, status: Status) -> ObjectiveDifference:
    is_added = status is Status.ADDED
    parts = (PartDifference("term", term.label, status, (Change("", None, text) if is_added else Change("", text, None),))
             for term in terms_of(side, objective) for text in [shown(side, term)])
    return ObjectiveDifference(objective.name, status, tuple(parts))

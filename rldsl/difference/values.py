"""Rewards, top-level values, states and given responses that differ, each reported once, by its own definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rldsl.difference.correspondence import Correspondence
from rldsl.difference.least import Comparison
from rldsl.difference.model import Change, PartDifference, SettingDifference, Status
from rldsl.difference.side import Ref, Side
from rldsl.graph.model import Leaf, SourceKind
from rldsl.graph.order import ancestors
from rldsl.graph.spec import NamedValue, ResponseSpec, Spec, StateSpec


@dataclass(frozen=True, slots=True)
class Reached:
    """What the objectives of a spec are made of; everything, where a spec has none. `is_all` says the latter."""

    keys: frozenset[int]
    states: frozenset[str]
    is_all: bool


def reached(side: Side) -> Reached:
    """Values and states that some objective needs, through the next values of states as well."""
    spec = side.spec
    states = {state.name: state for state in spec.states}
    waiting = [term.key for objective in spec.objectives for term in objective.terms]
    if not waiting:
        return Reached(frozenset(spec.graph.by_key), frozenset(states), True)
    keys, found = frozenset[int](), set[str]()
    while waiting:
        keys |= ancestors(spec.graph, waiting)
        needed = {node.operation.owner for node in spec.graph.nodes if node.key in keys
                  and isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.STATE} & states.keys()
        waiting = [key for name in sorted(needed - found) if (key := states[name].next) is not None]
        found |= needed
    return Reached(keys, frozenset(found), False)


def share_names(before: Side, after: Side) -> None:
    """Values that both specs call by one name are compared by themselves. What is no computation is no such value."""
    left, right = ({entry.name: entry.key for entry in (*side.spec.rewards, *side.spec.lets)} for side in (before, after))
    names: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for name, key in left.items():
        other = right.get(name)
        if other is not None and before.graph[key].inputs and after.graph[other].inputs \
                and key not in names[0] and other not in names[1]:
            names[0][key], names[1][other] = name, name
    before.named, after.named = names


def value_differences(before: Side, after: Side, correspondence: Correspondence
                      ) -> tuple[tuple[PartDifference, ...], tuple[SettingDifference, ...]]:
    """What differs in what is optimised, and what differs in what is merely measured."""
    used = reached(before), reached(after)
    found = [*_named(before, after, used), *_states(before, after, used, correspondence)]
    mathematics = [part for part, is_used in found if is_used]
    beside = [setting for part, is_used in found if not is_used for setting in _measured(part)]
    return (*mathematics, *_responses(before, after, correspondence)), tuple(beside)


def _measured(part: PartDifference) -> Iterator[SettingDifference]:
    where = f"{part.kind} {part.name} (no objective uses it)"
    for change in part.changes:
        yield SettingDifference(where, change.meaning or part.status.value, change.before, change.after)
    if not part.changes:
        yield SettingDifference(where, f"through {', '.join(part.through)}", None, None)


# ------------------------------------------------------------------ rewards and lets
def _named(before: Side, after: Side, used: tuple[Reached, Reached]) -> Iterator[tuple[PartDifference, bool]]:
    left, right = _declared(before.spec), _declared(after.spec)
    for name, (kind, value) in right.items():
        if name in left:
            part = _difference(before, after, kind, name, left[name][1].key, value.key)
            if part is not None:
                yield part, left[name][1].key in used[0].keys or value.key in used[1].keys
    yield from _alone(before, after, left, right, used)


def _declared(spec: Spec) -> dict[str, tuple[str, NamedValue]]:
    return {entry.name: (kind, entry) for kind, entries in (("let", spec.lets), ("reward", spec.rewards)) for entry in entries}


def _difference(before: Side, after: Side, kind: str, name: str, key: int, other: int) -> PartDifference | None:
    first, second = Ref(key), Ref(other)
    if before.of(first) == after.of(second):
        return None
    comparison = Comparison(before.without(name), after.without(name))
    changes = comparison.changes(first, second)
    if not changes and not comparison.through:
        changes = [comparison.replaced(first, second)]
    return PartDifference(kind, name, Status.CHANGED, tuple(changes), tuple(comparison.through))


def _alone(before: Side, after: Side, left: dict[str, tuple[str, NamedValue]], right: dict[str, tuple[str, NamedValue]],
           used: tuple[Reached, Reached]) -> Iterator[tuple[PartDifference, bool]]:
    """Rewards that one spec alone has. What an objective makes of one is said with the objective."""
    for side, other, own, others, reach in ((before, after, left, right, used[0]), (after, before, right, left, used[1])):
        known = {other.of(Ref(entry.key)) for _, entry in others.values()}
        for name, (kind, entry) in own.items():
            is_said = entry.key in reach.keys and not reach.is_all
            if kind == "reward" and name not in others and not is_said and side.of(Ref(entry.key)) not in known:
                text = side.equation(Ref(entry.key))
                change, status = (Change("", text, None), Status.REMOVED) if own is left else (Change("", None, text), Status.ADDED)
                yield PartDifference(kind, name, status, (change,)), reach.is_all


# ------------------------------------------------------------------ states
def _states(before: Side, after: Side, used: tuple[Reached, Reached], correspondence: Correspondence
            ) -> Iterator[tuple[PartDifference, bool]]:
    left = {state.name: state for state in before.spec.states}
    for state in after.spec.states:
        other = left.get(correspondence.states.get(state.name, ""))
        if other is not None and (changes := _state_changes(before, after, other, state)):
            is_used = other.name in used[0].states or state.name in used[1].states
            yield PartDifference("state", state.name, Status.CHANGED, changes), is_used


def _state_changes(before: Side, after: Side, first: StateSpec, second: StateSpec) -> tuple[Change, ...]:
    found = []
    if first.initial != second.initial:
        found.append(Change(f"starts at {first.initial:g} → {second.initial:g}"))
    if first.next is not None and second.next is not None:
        comparison = Comparison(before, after)
        found += comparison.changes(Ref(first.next), Ref(second.next))
        found += [Change(f"differs through {name}") for name in comparison.through]
    elif first.next is not None:
        found.append(Change("gets no next value any more", before.equation(Ref(first.next)), None))
    elif second.next is not None:
        found.append(Change("gets a next value", None, after.equation(Ref(second.next))))
    return tuple(found)


# ------------------------------------------------------------------ given responses
def _responses(before: Side, after: Side, correspondence: Correspondence) -> Iterator[PartDifference]:
    """Given texts that are scored: which they are is part of what an objective says."""
    left = {response.name: response for response in before.spec.responses if not response.is_sampled}
    for response in after.spec.responses:
        other = left.get(correspondence.responses.get(response.name, ""))
        if other is not None and not response.is_sampled:
            changes = tuple(_response_changes(before, after, other, response))
            if changes:
                yield PartDifference("response", response.name, Status.CHANGED, changes)


def _response_changes(before: Side, after: Side, first: ResponseSpec, second: ResponseSpec) -> Iterator[Change]:
    for word, key, other in (("answer", first.text, second.text), ("prompt", first.prompt, second.prompt)):
        if key is not None and other is not None and before.of(Ref(key)) != after.of(Ref(other)):
            yield Change(f"another {word}", before.equation(Ref(key)), after.equation(Ref(other)))

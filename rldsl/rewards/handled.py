"""Which calls on the host a spec itself says what becomes of, should they fail. Runs none."""

from __future__ import annotations

from collections.abc import Iterable

from rldsl.graph.expanding import makers
from rldsl.graph.model import Elementwise, Foreign, Function, Graph, Node
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.graph.steps import Assign as AssignStep
from rldsl.graph.steps import Every, Repeat, StageStep, Step, When


def handled_calls(spec: Spec) -> frozenset[int]:
    """The calls whose failures an `else` takes, whatever is done with their values."""
    consumers: dict[int, list[Node]] = {node.key: [] for node in spec.graph.nodes}
    for node in spec.graph.nodes:
        for place, key in enumerate(node.inputs):
            if not _takes_failures(node, place):
                consumers[key].append(node)
    acting = {*_acting_keys(spec), *_unread_makers(spec)}
    open_ended: set[int] = set()  # values whose failure would reach something that acts
    for node in reversed(spec.graph.nodes):
        reached = any(user.key in open_ended for user in consumers[node.key])
        if node.key in acting or reached:
            open_ended.add(node.key)
    calls = [node for node in spec.graph.nodes if isinstance(node.operation, Foreign)]
    return frozenset(node.key for node in calls if node.key not in open_ended)


def unhandled_below(graph: Graph, key: int, *, skipping: bool = False) -> frozenset[int]:
    """The nodes whose absence a node may take over, itself included: not what stands before an `else` with a value, which takes
    it; with `skipping`, nor what stands before an `else skip`."""
    waiting, found = [key], set[int]()
    while waiting:
        node = graph[waiting.pop()]
        if node.key not in found:
            found.add(node.key)
            match node.operation:
                case Elementwise(function=Function.OTHERWISE):
                    waiting.append(node.inputs[1])
                case Elementwise(function=Function.IS_MISSING):
                    pass
                case Foreign(name="policy.skip") if skipping:
                    pass
                case _:
                    waiting.extend(node.inputs)
    return frozenset(found)


def _unread_makers(spec: Spec) -> Iterable[int]:
    """Calls that make an axis and whose values nothing reads: no `else` can take what fails there, and places are counted by it."""
    read = {key for node in spec.graph.nodes for key in node.inputs}
    return (key for key in makers(spec.graph).values() if key not in read)


def _takes_failures(node: Node, place: int) -> bool:
    match node.operation:
        case Elementwise(function=Function.OTHERWISE):
            return place == 0
        case Elementwise(function=Function.IS_MISSING):
            return True
        case Foreign(name=name):
            return name.startswith("policy.")
        case _:
            return False


def _acting_keys(spec: Spec) -> Iterable[int]:
    """Values that something is done with. A reward that nothing else uses is there to be looked at."""
    used = {key for node in spec.graph.nodes for key in node.inputs}
    yield from (reward.key for reward in spec.rewards if reward.key not in used)
    for objective in spec.objectives:
        yield from _objective_keys(objective)
    yield from (guard.key for guard in spec.guards)
    yield from (key for entry in spec.evals for _, key in entry.reports)
    yield from (state.next for state in spec.states if state.next is not None)
    yield from (key for entry in spec.responses for key in (entry.prompt, entry.text) if key is not None)
    yield from _step_keys(spec.train)


def _objective_keys(objective: ObjectiveSpec) -> Iterable[int]:
    return (term.key for term in objective.terms)


def _step_keys(steps: Iterable[Step]) -> Iterable[int]:
    for step in steps:
        match step:
            case When(condition=condition, body=body):
                yield condition
                yield from _step_keys(body)
            case Repeat(body=body) | StageStep(body=body) | Every(body=body):
                yield from _step_keys(body)
            case AssignStep(key=key):
                yield key
            case _:
                pass

"""What becomes of calls on the host that failed: who handles it, how often it may happen, what the message says.

A failed value is carried as an absent one. It is handled where every way from it to what acts on it leads through an
`else`; a failure that nothing handles stops the run, and so does a share of failures above `MOST_FAILURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from rldsl.graph.model import Elementwise, Foreign, Function, Node
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.graph.steps import Assign as AssignStep
from rldsl.graph.steps import Every, Repeat, StageStep, Step, When
from rldsl.rewards.outcome import Outcome, summarize

MOST_FAILURES: Final = 0.1  # of the calls of one node in one iteration
AT_LEAST: Final = 4         # so that one failure among few calls is no flood

Describe = Callable[[Node, int], str]


class Unhandled(Exception):
    """A failure that stops the run, in a sentence."""


def handled_calls(spec: Spec) -> frozenset[int]:
    """The calls whose failures an `else` takes, whatever is done with their values."""
    consumers: dict[int, list[Node]] = {node.key: [] for node in spec.graph.nodes}
    for node in spec.graph.nodes:
        for place, key in enumerate(node.inputs):
            if not _takes_failures(node, place):
                consumers[key].append(node)
    acting = set(_acting_keys(spec))
    open_ended: set[int] = set()  # values whose failure would reach something that acts
    for node in reversed(spec.graph.nodes):
        reached = any(user.key in open_ended for user in consumers[node.key])
        if node.key in acting or reached:
            open_ended.add(node.key)
    calls = [node for node in spec.graph.nodes if isinstance(node.operation, Foreign)]
    return frozenset(node.key for node in calls if node.key not in open_ended)


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


@dataclass(slots=True)
class FailureBook:
    """The failures of one run. `counts` are by the names of nodes, for the log and the checkpoint."""

    handled: frozenset[int]
    counts: dict[str, int] = field(default_factory=dict)
    fresh: dict[str, str] = field(default_factory=dict)

    def settle(self, node: Node, name: str, outcome: Outcome, describe: Describe) -> None:
        """Count the failures of one call. Raises `Unhandled` where they cannot be gone on with."""
        if not outcome.failed:
            return
        count, total = len(outcome.failed), len(outcome)
        self.counts[name] = self.counts.get(name, 0) + count
        index = min(outcome.failed)
        text = f"{count} of {total} calls of {name} failed: {summarize(outcome.failed.values())}"
        self.fresh[name] = text
        where = describe(node, index)
        if node.key not in self.handled:
            raise Unhandled(f"{text}\n  {where}\n  nothing in the spec says what a failure means; write `else skip` (leave "
                            "the sample out), `else 0` (count it as that) or mend the call")
        if count >= AT_LEAST and count > MOST_FAILURES * total:
            raise Unhandled(f"{text}\n  {where}\n  that is more than {MOST_FAILURES:.0%}, too many to train on although the "
                            "spec handles single failures; mend the call")

    def take_fresh(self) -> dict[str, str]:
        """What failed since the last time, a sentence for each node."""
        fresh, self.fresh = dict(sorted(self.fresh.items())), {}
        return fresh

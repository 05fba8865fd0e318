"""What becomes of calls on the host that failed: who handles it, how often it may happen, what the message says.

A failed value is carried as an absent one. It is handled where every way from it to what acts on it leads through an
`else`; a failure that nothing handles stops the run, and so does a share of failures above what the call's `most_failures` says,
or above `MOST_FAILURES` where nothing is said. Shares are of those that were asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rldsl.graph.model import Foreign, Node
from rldsl.graph.spec import Spec
from rldsl.rewards.outcome import Outcome, summarize

MOST_FAILURES: Final = 0.1  # of the calls of one node in one iteration
AT_LEAST: Final = 4         # so that one failure among few calls is no flood; a bound that is written holds exactly

Describe = Callable[[Node, int], str]


class Unhandled(Exception):
    """A failure that stops the run, in a sentence."""


def failure_bounds(spec: Spec) -> dict[int, float]:
    """The shares of failures that calls may have, where the spec says so: in the call, or where what is called or who is asked
    is declared."""
    declared = {f"extern:{extern.name}": dict(extern.settings).get("most_failures") for extern in spec.externs}
    judges = {model.name: dict(model.settings).get("most_failures") for model in spec.models}
    found: dict[int, float] = {}
    for node in spec.graph.nodes:
        if isinstance(node.operation, Foreign):
            settings = dict(node.operation.settings)
            said = declared.get(node.operation.name, judges.get(str(settings.get("judge"))))
            bound = settings.get("most_failures", said)
            if isinstance(bound, int | float):
                found[node.key] = float(bound)
    return found


@dataclass(slots=True)
class FailureBook:
    """The failures of one run. `counts` are by the names of nodes, for the log and the checkpoint; `bounds` the shares that
    calls may have, where the spec says so."""

    handled: frozenset[int]
    bounds: Mapping[int, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    fresh: dict[str, str] = field(default_factory=dict)

    def settle(self, node: Node, name: str, outcome: Outcome, describe: Describe) -> None:
        """Count the failures of one call. Raises `Unhandled` where they cannot be gone on with."""
        if not outcome.failed:
            return
        count, total = len(outcome.failed), len(outcome) if outcome.counts is None else len(outcome.counts)
        self.counts[name] = self.counts.get(name, 0) + count
        index = min(outcome.failed)
        text = f"{count} of {total} calls of {name} failed: {summarize(outcome.failed.values())}"
        self.fresh[name] = text
        where = describe(node, index)
        if node.key not in self.handled:
            raise Unhandled(f"{text}\n  {where}\n  nothing in the spec says what a failure means; write `else skip` (leave "
                            "the sample out), `else 0` (count it as that) or mend the call")
        bound = self.bounds.get(node.key, MOST_FAILURES)
        if count > bound * total and (count >= AT_LEAST or node.key in self.bounds):
            said = "`most_failures` allows" if node.key in self.bounds else "a run goes on with"
            raise Unhandled(f"{text}\n  {where}\n  that is more than the {bound:.4g} of all that {said}, although the spec "
                            f"handles single failures; mend the call, or allow more: `most_failures: {_next(count, total)}`")

    def take_fresh(self) -> dict[str, str]:
        """What failed since the last time, a sentence for each node."""
        fresh, self.fresh = dict(sorted(self.fresh.items())), {}
        return fresh


def _next(count: int, total: int) -> str:
    """A round share that is not below that of the failures."""
    return f"{min(1.0, math.ceil(20 * count / total) / 20):g}"

"""What becomes of calls on the host that failed: who handles it, how often it may happen, what the message says.

A failed value is carried as an absent one. It is handled where every way from it to what acts on it leads through an
`else`; a failure that nothing handles stops the run, and so does a share of failures above `MOST_FAILURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rldsl.graph.model import Node
from rldsl.rewards.outcome import Outcome, summarize

MOST_FAILURES: Final = 0.1  # of the calls of one node in one iteration
AT_LEAST: Final = 4         # so that one failure among few calls is no flood

Describe = Callable[[Node, int], str]


class Unhandled(Exception):
    """A failure that stops the run, in a sentence."""


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

"""What: pairs over the batch are written at the top level and used, pair by pair, in an objective.

Why: at the top level the batch is everything that the iteration drew, in an objective it is the update batch; a pair of two
rows that are updated apart stands in none.

Example: `let rival = others(total, per: batch)` before an objective that says `total - rival`

Instead: write `others(total, per: batch)` inside of the objective, or reduce it at the top level.

When this is wrong: never.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Mirror, Node
from rldsl.types import BATCH, Level, Stage

CHECK = Check("RL106", "pairs-of-the-iteration", Severity.ERROR, "pairs over the iteration are used in an objective")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Pairs over the batch, computed before the update, that an objective needs as they are."""
    for node in _needed_as_pairs(facts):
        if node.operation == Mirror(BATCH) and node.type.stage < Stage.UPDATE and node.span is not None:
            yield error("RL106", "these pairs are not those of the update batch", node.span, "pairs of the whole iteration",
                        why="an update batch holds some of the rows that were drawn; their pairs are others.",
                        fix="write `others(…, per: batch)` inside of the objective, or reduce it before")


def _needed_as_pairs(facts: Facts) -> Iterator[Node]:
    """What objectives need, down to what is computed before them; pairs are not, they are computed at the update."""
    waiting, seen = [term.key for _, term in facts.terms()], set[int]()
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            node = facts.graph[key]
            if node.type.stage >= Stage.UPDATE or node.type.axis.level is Level.PAIR:
                yield node
                waiting.extend(node.inputs)

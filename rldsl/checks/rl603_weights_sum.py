"""What: the weights of a sum of rewards in [0, 1] add up to almost 1.

Why: the total was meant to be a mean; it is not, and its range is not [0, 1].

Example: `0.7 * correct + 0.2 * style + 0.2 * format`

Instead: weights that add up to 1, or a plain weighted sum.

When this is wrong: where the total is meant to be what it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Function
from rldsl.types import format_number

CHECK = Check("RL603", "weights-sum", Severity.WARNING, "weights of a mean that do not add up to 1")

NEAR = 0.15


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Weighted sums of three values or more in [0, 1] whose weights are near 1 together. A penalty is no part of a mean."""
    for reward in facts.spec.rewards:
        weights = [_weight(facts, key) for key in facts.addends(reward.key)]
        takes_away = facts.interval(reward.key).low < 0
        if takes_away or len(weights) < 3 or any(weight is None for weight in weights):
            continue
        total = round(sum(weight for weight in weights if weight is not None), 12)
        if total != 1 and abs(total - 1) <= NEAR:
            yield warning("RL603", f"these weights add up to {format_number(total)}"[:60], reward.span, "a weighted sum",
                          why=f"the total lies in [0, {format_number(total)}], not in [0, 1].",
                          fix="change one of them so that they add up to 1")


def _weight(facts: Facts, key: int) -> float | None:
    node = facts.through(key)
    if not is_function(node, Function.MULTIPLY):
        return None
    for weight, value in (node.inputs, node.inputs[::-1]):
        interval = facts.interval(value)
        number = facts.constant(weight)
        if number is not None and number > 0 and (interval.low, interval.high) == (0, 1):
            return number
    return None

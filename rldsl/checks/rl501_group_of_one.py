"""What: a statistic over the answers to a prompt, with one answer for each prompt.

Why: the mean of one value is the value itself, so every advantage is 0; its standard deviation does not exist. A mean that no
value of the group is held against only brings it up, and is fine: of a rollout that answers another one, once each.

Example: `samples: 1` and `total - mean(total, per: prompt)`

Instead: at least `samples: 2`, or another baseline: a critic, a greedy answer, a running mean in a `state`.

When this is wrong: never.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_reduction
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Elementwise, Function, Node, Reduction

CHECK = Check("RL501", "group-of-one", Severity.ERROR, "a group statistic with one sample")
SPREADS = (Reduction.STD, Reduction.VAR, Reduction.STD_POPULATION, Reduction.VAR_POPULATION)
PLACES = (Reduction.MEAN, Reduction.QUANTILE)
STATISTICS = (*SPREADS, *PLACES)


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Group statistics over rollouts that draw one answer, where an objective depends on them."""
    for response in facts.spec.responses:
        if not response.is_sampled or dict(response.settings).get("samples", 1) != 1:
            continue
        for node in facts.objective_nodes():
            if facts.reduces(node, response.sample_axis, response.prompt_axis) and _says_nothing(facts, node):
                yield error("RL501", "a group of one has no advantage", facts.span(node.key, response.span),
                            "a statistic over one answer",
                            others=[Label(response.span, "draws one answer for each prompt")],
                            why="the mean of one value is that value, and it has no standard deviation.",
                            fix="`samples: 8`, or another baseline")
                break


def _says_nothing(facts: Facts, node: Node) -> bool:
    """Whether a statistic of one value is used as one of several: a spread, or a baseline of what it is made of."""
    return is_reduction(node, *SPREADS) or (is_reduction(node, *PLACES) and any(
        _compares(facts, entry, node) for entry in facts.objective_nodes()))


def _compares(facts: Facts, node: Node, statistic: Node) -> bool:
    """Whether a difference, a ratio or a comparison is of a statistic and of the values that it is of."""
    match node.operation:
        case Elementwise(function=Function.SUBTRACT | Function.DIVIDE | Function.LESS | Function.LESS_EQUAL | Function.GREATER
                         | Function.GREATER_EQUAL):
            sides = {facts.through(key).key for key in node.inputs}
            return sides == {statistic.key, facts.through(statistic.inputs[0]).key}
        case _:
            return False

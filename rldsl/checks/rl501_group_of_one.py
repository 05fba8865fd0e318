"""What: a statistic over the answers to a prompt, with one answer for each prompt.

Why: the mean of one value is the value itself, so every advantage is 0; its standard deviation does not exist.

Example: `samples: 1` and `total - mean(total, per: prompt)`

Instead: at least `samples: 2`, or another baseline: a critic, a greedy answer, a running mean in a `state`.

When this is wrong: never.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_reduction
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Reduction

CHECK = Check("RL501", "group-of-one", Severity.ERROR, "a group statistic with one sample")
STATISTICS = (Reduction.MEAN, Reduction.STD, Reduction.VAR, Reduction.STD_POPULATION, Reduction.VAR_POPULATION,
              Reduction.QUANTILE)


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Group statistics over rollouts that draw one answer, where an objective depends on them."""
    for response in facts.spec.responses:
        if not response.is_sampled or dict(response.settings).get("samples", 1) != 1:
            continue
        for node in facts.objective_nodes():
            if is_reduction(node, *STATISTICS) and facts.reduces(node, response.sample_axis, response.prompt_axis):
                yield error("RL501", "a group of one has no advantage", facts.span(node.key, response.span),
                            "a statistic over one answer",
                            others=[Label(response.span, "draws one answer for each prompt")],
                            why="the mean of one value is that value, and it has no standard deviation.",
                            fix="`samples: 8`, or another baseline")
                break

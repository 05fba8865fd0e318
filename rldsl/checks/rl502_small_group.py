"""What: a reward of two values is compared within groups of few answers.

Why: at 10 % success all answers agree in 82 % of groups of 2, 66 % of 4, 43 % of 8 and 19 % of 16; such groups
carry no signal.

Example: `samples: 2` and `verify.math(…) - mean(…, per: prompt)`

Instead: `samples: 8` or more, a graded reward, or leaving agreeing groups out on purpose.

When this is wrong: where success is near one half.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_reduction
from rldsl.checks.model import Check
from rldsl.checks.rl501_group_of_one import STATISTICS
from rldsl.diagnostics import Diagnostic, Label, Severity, warning

CHECK = Check("RL502", "small-group", Severity.WARNING, "two-valued rewards in small groups")

FEW = 4


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Group statistics of two-valued rewards over at most four answers."""
    for response in facts.spec.responses:
        samples = dict(response.settings).get("samples", 1)
        if not response.is_sampled or not isinstance(samples, int) or not 1 < samples <= FEW:
            continue
        for node in facts.objective_nodes():
            if is_reduction(node, *STATISTICS) and facts.reduces(node, response.sample_axis, response.prompt_axis) \
                    and len(facts.graph[node.inputs[0]].type.interval.values or ()) == 2:
                agree = 0.9**samples + 0.1**samples
                yield warning("RL502", "most groups will carry no signal", facts.span(node.key, response.span),
                              "a reward of two values", others=[Label(response.span, f"{samples} answers a prompt")],
                              why=f"at 10 % success all {samples} answers agree in {agree:.0%} of groups.",
                              fix="`samples: 8` or more")
                break

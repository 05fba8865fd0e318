"""What: a value that is the same for every answer to a prompt is compared within the group.

Why: it cancels: the difference to the group's mean is 0 for every answer.

Example: `let d = text.length(problems.question)` and `d - mean(spread(d, to: y), per: prompt)`

Instead: a value that reads the answer, or a weight that multiplies the advantage.

When this is wrong: never.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_reduction
from rldsl.checks.model import Check
from rldsl.checks.rl501_group_of_one import STATISTICS
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Spread
from rldsl.types import Level

CHECK = Check("RL604", "constant-in-group", Severity.ERROR, "a value per prompt that is centred per prompt")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Group statistics of values that were spread from the prompt, or stand on it."""
    for node in facts.objective_nodes():
        if not is_reduction(node, *STATISTICS) or node.type.axis.level is not Level.PROMPT or node.span is None:
            continue
        value = facts.graph[node.inputs[0]]
        flat = value.type.axis == node.type.axis or isinstance(value.operation, Spread)
        given = any(response.prompt_axis is response.sample_axis for response in facts.spec.responses
                    if response.prompt_axis == node.type.axis)
        if flat and not given:
            yield error("RL604", "this reward is the same for every answer to a prompt", node.span, "a value per prompt",
                        why="centred within its group it is 0 for every answer.", fix="read the answer, or weigh with it")

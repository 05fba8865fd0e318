"""What: a judge is asked about texts none of which is what a policy wrote: by a rubric, a preference, a verdict on steps.

Why: the judge never sees the answer, so its verdict is the same for every sample and nothing can be learned from it.

Example: `clear(problems.question)`

Instead: `clear(y.text, problems.question)`.

When this is wrong: never for a reward; to filter data, judge before training.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_sampled_text
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Foreign

CHECK = Check("RL702", "judge-blind", Severity.ERROR, "a judge that is not shown the answer")

JUDGED = ("rubric:", "prefer:", "prm:")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Calls of a judge without a sampled text among their inputs."""
    for node in facts.graph.nodes:
        if isinstance(node.operation, Foreign) and node.operation.name.startswith(JUDGED) and node.span is not None \
                and node.key not in facts.have_below(is_sampled_text):
            yield error("RL702", "the judge never sees the answer", node.span, "no sampled text is among these",
                        why="its verdict is then the same for every answer to a prompt.",
                        fix=f"`{node.operation.name.partition(':')[2]}(y.text, …)`" if node.operation.name.startswith("rubric:")
                        else "what the policy wrote: `y.text`")

"""What: a verifier is given a text that holds the prompt as well as the answer.

Why: the reference answer, or a number in the question, is found in the prompt: every answer is right.

Example: `verify.number(problems.question + y.text, problems.answer)`

Instead: `y.text` alone.

When this is wrong: for rubrics and externs that are meant to read both; they take the question as an argument of
its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_sampled_text
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Foreign

CHECK = Check("RL601", "reads-prompt", Severity.ERROR, "a reward of the answer also reads the question")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Verifiers whose text joins a sampled text with a prompt."""
    sampled = facts.have_below(is_sampled_text)  # one role's answer may be another's prompt
    prompts = {key for response in facts.spec.responses if response.is_sampled
               and (key := facts.through(response.prompt).key) not in sampled}
    for node in facts.graph.nodes:
        if not isinstance(node.operation, Foreign) or not node.operation.name.startswith("verify.") or node.span is None:
            continue
        if node.inputs[0] in sampled and facts.ancestors(node.inputs[0]) & prompts:
            yield error("RL601", "this reward also sees the question", node.span, "the text holds the prompt as well",
                        why="what the verifier looks for may stand in the question.", fix="use `y.text`")

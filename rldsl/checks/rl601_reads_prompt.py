"""What: a verifier is given a text that holds the prompt as well as the answer.

Why: the reference answer, or a number in the question, is found in the prompt: every answer is right.

Example: `verify.number(problems.question + y.text, problems.answer)`

Instead: `y.text` alone.

When this is wrong: for rubrics and externs that are meant to read both; they take the question as an argument of
its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Foreign, Leaf, SourceKind

CHECK = Check("RL601", "reads-prompt", Severity.ERROR, "a reward of the answer also reads the question")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Verifiers whose text joins a sampled text with a prompt."""
    prompts = {key for response in facts.spec.responses if response.is_sampled
               and not _is_sampled_text(facts, key := facts.through(response.prompt).key)}
    for node in facts.graph.nodes:
        if not isinstance(node.operation, Foreign) or not node.operation.name.startswith("verify.") or node.span is None:
            continue
        behind = facts.nodes_of(node.inputs[0])
        if _is_sampled_text(facts, node.inputs[0]) and any(entry.key in prompts for entry in behind):
            yield error("RL601", "this reward also sees the question", node.span, "the text holds the prompt as well",
                        why="what the verifier looks for may stand in the question.", fix="use `y.text`")


def _is_sampled_text(facts: Facts, key: int) -> bool:
    """Whether a text holds what a policy wrote; one role's answer may be another's prompt."""
    return any(isinstance(entry.operation, Leaf) and entry.operation.kind is SourceKind.RECORDED
               for entry in facts.nodes_of(key))

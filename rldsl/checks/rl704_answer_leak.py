"""What: a field that is declared `target` reaches the prompt of a policy.

Why: the policy is shown what it is asked for.

Example: `rollout y ~ actor(problems.question + problems.answer)`

Instead: the question alone; hints belong into a field that is no target.

When this is wrong: where the field is no reference answer; drop `target` from its declaration.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Leaf, SourceKind

CHECK = Check("RL704", "answer-leak", Severity.ERROR, "a reference answer in a policy's prompt")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Rollouts whose prompt depends on a target field."""
    targets = {(data.name, field.name): field for data in facts.spec.data for field in data.fields if field.target}
    for response in facts.spec.responses:
        if not response.is_sampled:
            continue
        for node in facts.nodes_of(response.prompt):
            match node.operation:
                case Leaf(kind=SourceKind.DATA, owner=owner, field=name) if (owner, name) in targets:
                    yield error("RL704", "the policy is shown the reference answer", response.span,
                                f"its prompt holds `{owner}.{name}`"[:40],
                                others=[Label(targets[owner, name].span, "declared as a target")],
                                why="what is asked for must not stand in the question.",
                                fix="take it out of the prompt, or drop `target`")
                    break
                case _:
                    pass

"""What: a reward rests on something that may be absent, and the spec does not say what happens then.

Why: absent is not 0 and not a failure; which one is meant decides what is learned.

Example: `reward size = verify.number(y.text)`

Instead: `verify.number(y.text) else 0`, `else skip` (leave the answer out), `else stop`.

When this is wrong: never; the sentence has to be said.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Foreign, Function, Node
from rldsl.graph.spec import NamedValue

CHECK = Check("RL605", "no-answer-case", Severity.ERROR, "an extraction that may find nothing, and nothing said")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Rewards that an extraction can make absent."""
    blamed: set[int] = set()
    for reward in facts.spec.rewards:
        cause = _cause(facts, reward)
        if cause is not None and cause.key not in blamed:
            blamed.add(cause.key)
            yield error("RL605", "no reward is defined when nothing is found", facts.span(cause.key, reward.span),
                        "this may be absent", others=[Label(reward.span, "the reward that rests on it")],
                        why="absent, zero and failed are three things.", fix="`… else 0`, `… else skip`, `… else stop`")


def _cause(facts: Facts, reward: NamedValue) -> Node | None:
    """The first absent extraction that reaches the reward through nothing that says what happens."""
    waiting, seen = [reward.key], set[int]()
    while waiting:
        node = facts.graph[waiting.pop()]
        if node.key in seen or not node.type.optional or is_function(node, Function.OTHERWISE):
            continue
        seen.add(node.key)
        if isinstance(node.operation, Foreign):
            if node.operation.name.startswith("policy."):
                continue
            if not any(facts.graph[entry].type.optional for entry in node.inputs):
                return node
        waiting.extend(node.inputs)
    return None

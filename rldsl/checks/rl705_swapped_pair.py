"""What: the log-probability or the score of a text from a field called `rejected` is raised, or that of `chosen` lowered.

Why: the pair is swapped: the policy learns the answers that people did not want, the scorer to like them.

Example: `response win = pairs.rejected given pairs.prompt`

Instead: `response win = pairs.chosen given pairs.prompt`.

When this is wrong: where the names of the fields mean something else; rename the fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.checks.polarity import polarities
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Leaf, Read, ReadKind, SourceKind

CHECK = Check("RL705", "swapped-pair", Severity.ERROR, "a preference loss that likes the rejected answer")

LIKED = {"chosen": 1, "rejected": -1}
LIKES = (ReadKind.LOGP, ReadKind.SCORE)


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Terms in which log-probabilities or scores of a pair enter by the opposite signs."""
    for _, term in facts.terms():
        signs = polarities(facts, term.key)
        better = 1 if term.maximize else -1
        wrong = [(node.key, field) for node, read in facts.live_reads_of(term.key) if read.kind in LIKES
                 and (field := _field(facts, read.response)) in LIKED and signs.get(node.key) == {-better * LIKED[field]}]
        if {field for _, field in wrong} == set(LIKED):
            key, _ = next(entry for entry in wrong if entry[1] == "rejected")
            read = facts.graph[key].operation
            is_policy = isinstance(read, Read) and read.kind is ReadKind.LOGP
            yield error("RL705", "this loss prefers the rejected answer", term.span, "the signs are the wrong way round",
                        others=[Label(facts.span(key, term.span), "made more likely" if is_policy else "raised")],
                        why=f"the answers of `rejected` {'become more likely' if is_policy else 'get the higher scores'}, "
                            f"those of `chosen` {'less' if is_policy else 'the lower ones'}.", fix="swap the two")


def _field(facts: Facts, response: str) -> str:
    spec = facts.responses[response]
    operation = facts.graph[spec.text].operation if spec.text is not None else None
    return operation.field if isinstance(operation, Leaf) and operation.kind is SourceKind.DATA else ""

"""What: rewards of a rollout that draws groups are centred over the whole batch.

Why: hard and easy prompts are mixed: every answer to an easy prompt looks good, every answer to a hard one bad,
whatever was done.

Example: `total - mean(total)` with `samples: 8`

Instead: `total - mean(total, per: prompt)`.

When this is wrong: where the batch mean is meant, as in REINFORCE++ after centring per prompt; that form is not
reported, and neither is a divergence that is centred so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rldsl.checks.facts import Facts, is_function, is_reduction
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Foreign, Function, Leaf, Node, Read, ReadKind, Reduction, SourceKind
from rldsl.types import BATCH, Axis

CHECK = Check("RL105", "wrong-set", Severity.WARNING, "a group method centred over the batch")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Differences of a value per answer and its own batch mean, where no group mean was taken off before."""
    for node in facts.objective_nodes():
        if is_function(node, Function.SUBTRACT) and node.span is not None and _is_batch_centred(facts, node):
            yield warning("RL105", "this baseline mixes different prompts", node.span, "the mean of the whole batch",
                          why="answers to easy prompts all get a positive advantage, answers to hard ones a negative one.",
                          fix="`per: prompt`")


def _is_batch_centred(facts: Facts, node: Node) -> bool:
    value, mean = (facts.through(entry) for entry in node.inputs)
    grouped = {response.sample_axis for response in facts.spec.responses
               if response.is_sampled and dict(response.settings).get("samples", 1) != 1}
    return (is_reduction(mean, Reduction.MEAN) and mean.type.axis == BATCH and value.type.axis in grouped
            and facts.through(mean.inputs[0]).key == value.key and not value.type.is_live
            and value.key in facts.have_below(_is_of_answers) and not _is_group_centred(facts, value))


def _is_of_answers(node: Node) -> bool:
    """What is said of a text: by a call, by the data, by a scorer. A divergence alone is not a reward."""
    match node.operation:
        case Foreign() | Leaf(kind=SourceKind.DATA) | Read(kind=ReadKind.SCORE):
            return True
        case _:
            return False


def _is_group_centred(facts: Facts, value: Node) -> bool:
    groups = frozenset(value.type.axis.chain()[1:]) - {BATCH}
    return value.key in facts.have_below(_MeanOver(groups))


@dataclass(frozen=True, slots=True)
class _MeanOver:
    """Whether a value is a mean or a sum for each group. What is added up within an answer (criteria, steps, tokens) is none."""

    groups: frozenset[Axis]

    def __call__(self, node: Node) -> bool:
        return is_reduction(node, Reduction.MEAN, Reduction.SUM) and node.type.axis in self.groups

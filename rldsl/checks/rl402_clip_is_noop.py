"""What: a clip on the importance ratio, where each draw feeds one optimiser step.

Why: the samples come from the very weights that are updated, so the ratio is exactly 1 and no clip ever acts.

Example: `draw 64 prompts` and `update actor with grpo { minibatch: 64 prompts, epochs: 1 }`

Instead: more update batches for each draw (`minibatch: 16 prompts`), or drop ratio and clip.

Samples of another policy, and tokens that are scored after another prompt than they were drawn for, are not reported: there the
ratio is not 1.

When this is wrong: where sampler and trainer differ (another engine, another precision); the ratio then corrects for that.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.checks.rl301_k1_as_loss import is_own
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Function
from rldsl.types import Ratio

CHECK = Check("RL402", "clip-is-noop", Severity.WARNING, "a clip on a ratio that is exactly 1")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Clipped ratios in objectives whose every update batch is the whole draw."""
    for objective in facts.spec.objectives:
        if facts.batches_of(objective) != 1:
            continue
        for term in objective.terms:
            clip = next((node for node in facts.nodes_of(term.key) if is_function(node, Function.CLIP)
                         and _is_one(facts, node.inputs[0])), None)
            if clip is not None:
                yield warning("RL402", "this clip never does anything", facts.span(clip.key, term.span),
                              "the ratio is exactly 1 here",
                              why="each draw feeds one optimiser step, so the samples are from the current policy.",
                              fix="a smaller `minibatch`, more `epochs`, or no clip")
                break


def _is_one(facts: Facts, key: int) -> bool:
    """Whether a value is an importance ratio of the policy and what it sampled itself, in the prompt that it was sampled for."""
    return isinstance(facts.graph[key].type.provenance, Ratio) and all(
        is_own(facts, read) for _, read in facts.live_reads_of(key))

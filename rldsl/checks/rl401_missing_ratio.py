"""What: a policy gradient over several update batches of one draw, without an importance ratio.

Why: after the first step the samples are no longer from the current policy, and the plain gradient is of the wrong
objective.

Example: `draw 64 prompts`, `minibatch: 8 prompts` and `mean(advantage * logp(actor, y))`

A ratio to a reference, `exp(logp(actor, y) - logp(ref, y))`, is no correction: the reference did not draw the samples.

Instead: `exp(logp(actor, y) - y.logp)` as the weight, or one update batch for each draw.

Terms whose slope depends on the current log-probability (a squared error, a classifier's loss) are fits, not policy
gradients: their minimum is the same whoever wrote the samples, and they are not reported.

When this is wrong: where the mismatch of a few steps is accepted knowingly; then use one update batch, or a ratio
that is clipped to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rldsl.checks.facts import Facts, is_reward
from rldsl.checks.model import Check
from rldsl.checks.rl301_k1_as_loss import is_own
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Elementwise, Function, Node, Reduce, Reduction
from rldsl.graph.spec import TermSpec
from rldsl.graph.steps import Every, Repeat, Reset, StageStep, Step, When
from rldsl.types import LogProbability, LogRatio, Ratio, Version

CHECK = Check("RL401", "missing-ratio", Severity.ERROR, "off-policy samples without an importance ratio")

_AFFINE = frozenset({Function.ADD, Function.SUBTRACT, Function.NEGATE, Function.SELECT, Function.OTHERWISE})


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Terms that weigh own log-probabilities by a reward, without a ratio, where a draw feeds several steps."""
    for objective, term in facts.terms():
        batches = facts.batches_of(objective)
        if batches is None or batches == 1 or _has_ratio(facts, term) or not _weighs_reward(facts, term) \
                or not (_is_linear(facts, term) or _weighs_by_another_ratio(facts, term)):
            continue
        read = next((node for node, read in facts.live_reads_of(term.key) if is_own(facts, read)), None)
        if read is not None:
            yield error("RL401", "these samples are not from the current policy",
                        facts.span_of_use(term.key, read.key, term.span), "no ratio corrects for that",
                        why=f"each draw feeds {batches} optimiser steps, and only the first sees fresh samples.",
                        fix="`exp(logp(actor, y) - y.logp)` as a weight, or one update batch a draw")


def _has_ratio(facts: Facts, term: TermSpec) -> bool:
    """Whether a ratio to what drew the samples takes part; one to a reference that stays corrects for nothing."""
    found = [node.type.provenance for node in facts.live_nodes_of(term.key)]
    ratios = [entry.log if isinstance(entry, Ratio) else entry for entry in found if isinstance(entry, Ratio | LogRatio)]
    return any(_follows_sampler(facts, entry.denominator) for entry in ratios)


def _weighs_by_another_ratio(facts: Facts, term: TermSpec) -> bool:
    """Whether a ratio to a policy that did not draw the samples stands where the importance ratio would."""
    return any(isinstance(node.type.provenance, Ratio) and node.type.provenance.log.numerator.version is Version.CURRENT
               for node in facts.live_nodes_of(term.key))


def _follows_sampler(facts: Facts, scored: LogProbability) -> bool:
    """The sampler's own record, the policy's weights at the start of the iteration, or a snapshot that training renews."""
    if scored.version is not Version.FROZEN:
        return True
    drew = facts.responses.get(scored.response)
    is_sampler = drew is not None and facts.root_model(drew.model) == facts.root_model(scored.model)
    return is_sampler or scored.model in _renewed(facts.spec.train, False)


def _renewed(steps: Iterable[Step], repeated: bool) -> Iterator[str]:
    """Models that are reset within a `repeat`."""
    for step in steps:
        if isinstance(step, Reset) and repeated:
            yield step.model
        elif isinstance(step, Repeat | StageStep | Every | When):
            yield from _renewed(step.body, repeated or isinstance(step, Repeat))


def _is_linear(facts: Facts, term: TermSpec) -> bool:
    """Whether the slope of the term by each live read is a frozen number: nothing bends or multiplies live values."""
    return all(_keeps_slopes(facts, node) for node in facts.live_nodes_of(term.key))


def _keeps_slopes(facts: Facts, node: Node) -> bool:
    match node.operation:
        case Elementwise(function=Function.MULTIPLY | Function.GATED_MULTIPLY):
            return sum(facts.graph[key].type.is_live for key in node.inputs) < 2
        case Elementwise(function=Function.DIVIDE):
            return not facts.graph[node.inputs[1]].type.is_live
        case Elementwise(function=function):
            return function in _AFFINE
        case Reduce(reduction=reduction):
            return reduction in (Reduction.SUM, Reduction.MEAN, Reduction.FIRST, Reduction.LAST)
        case _:
            return True


def _weighs_reward(facts: Facts, term: TermSpec) -> bool:
    """By calls on the host, or by scorers."""
    return any(is_reward(node) for node in facts.nodes_of(term.key))

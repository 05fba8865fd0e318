"""Objectives from the literature over the small world, with the coupling that each must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rldsl.graph.model import Function, Reduction, SourceKind
from rldsl.types import BATCH, UNIT, Axis, Element, Level, Version
from tests.passes.cases import PAIR, PROBLEM, SAMPLE, TOKEN, Case

F = Function


@dataclass(frozen=True)
class Known:
    """An objective, and how its live values meet."""

    build: Callable[[Case], Case]
    coupling: Level
    piece_axis: Axis


def _advantage(case: Case) -> int:
    """Group-normalised reward; absent for a prompt of one sample."""
    total = case.leaf("total", SAMPLE, case.random.uniform(size=case.layout.size("y.sample")), interval=UNIT)
    centred = case.make(F.SUBTRACT, total, case.mean(total, PROBLEM))
    deviation = case.builder.reduce(Reduction.STD, total, PROBLEM)
    return case.make(F.DIVIDE, centred, case.make(F.ADD, deviation, 1e-4))


def _ratio(case: Case, per: Axis | None = None) -> int:
    difference = case.make(F.SUBTRACT, case.logp(), case.recorded_logp())
    return case.make(F.EXP, difference if per is None else case.mean(difference, per))


def _clipped(case: Case, ratio: int, advantage: int) -> int:
    plain = case.make(F.MULTIPLY, ratio, advantage)
    clipped = case.make(F.MULTIPLY, case.make(F.CLIP, ratio, 0.8, 1.28), advantage)
    return case.make(F.MINIMUM, plain, clipped)


def _k3(case: Case) -> int:
    """exp(d) - 1 - d, of d = log reference - log current."""
    difference = case.make(F.SUBTRACT, case.logp("y", "ref", Version.FROZEN), case.logp())
    return case.make(F.SUBTRACT, case.make(F.SUBTRACT, case.make(F.EXP, difference), 1.0), difference)


def clipped_surrogate(case: Case) -> Case:
    """Every token counts the same, with a k3 penalty whose weight is a parameter, and entropy."""
    advantage = _advantage(case)
    beta = case.leaf("beta", BATCH, [0.05], kind=SourceKind.PARAM)
    case.at_update()
    case.maximize(case.mean(_clipped(case, _ratio(case), advantage)), "surrogate")
    case.minimize(case.make(F.MULTIPLY, beta, case.mean(_k3(case))), "kl")
    return case.maximize(case.make(F.MULTIPLY, case.mean(case.entropy()), 0.01), "entropy")


def mean_of_means(case: Case) -> Case:
    """Every answer counts the same: the lengths are frozen, so no values meet."""
    advantage = _advantage(case)
    case.at_update()
    return case.maximize(case.mean(case.mean(_clipped(case, _ratio(case), advantage), SAMPLE)))


def constant_length(case: Case) -> Case:
    """A constant instead of the length."""
    advantage = _advantage(case)
    case.at_update()
    summed = case.sum(_clipped(case, _ratio(case), advantage), SAMPLE)
    return case.maximize(case.mean(case.make(F.DIVIDE, summed, 4096.0)))


def masked_tokens(case: Case) -> Case:
    """A frozen mask, and advantages that may be absent."""
    advantage = case.leaf("advantage", SAMPLE, [1.0, np.nan, -0.5, 0.7, np.nan, 0.2], optional=True)
    mask = case.leaf("mask", TOKEN, [1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0], element=Element.BOOL)
    case.at_update()
    return case.maximize(case.mean(_clipped(case, _ratio(case), advantage), mask=mask))


def sequence_ratio(case: Case) -> Case:
    """One ratio for each sample (GSPO)."""
    advantage = _advantage(case)
    case.at_update()
    return case.maximize(case.mean(_clipped(case, _ratio(case, SAMPLE), advantage)))


def preference(case: Case) -> Case:
    """Two responses of each pair (DPO)."""
    case.at_update()
    margins = [case.sum(case.make(F.SUBTRACT, case.logp(side), case.logp(side, "ref", Version.FROZEN)), PAIR)
               for side in ("win", "lose")]
    margin = case.make(F.MULTIPLY, case.make(F.SUBTRACT, *margins), 0.1)
    return case.minimize(case.mean(case.make(F.NEGATE, case.make(F.LOG, case.make(F.SIGMOID, margin)))))


def two_likelihoods(case: Case) -> Case:
    """Two responses that do not meet: token coupling, pieces of whole pairs."""
    case.at_update()
    return case.maximize(case.mean(case.logp("win"))).minimize(case.mean(case.logp("lose")))


def _leave_one_out(case: Case, is_live: bool) -> Case:
    correct = case.leaf("correct", SAMPLE, [1, 0, 1, 1, 0, 1], element=Element.BOOL)
    case.at_update()
    score = case.sum(case.make(F.SUBTRACT, case.logp(), case.logp("y", "ref", Version.FROZEN)), SAMPLE)
    others = case.make(F.SUBTRACT, case.sum(score, PROBLEM), score)
    number = case.make(F.SUBTRACT, case.builder.size(SAMPLE, PROBLEM), 1.0)
    baseline = case.make(F.DIVIDE, others, case.make(F.MAXIMUM, number, 1.0))
    baseline = baseline if is_live else case.builder.freeze(baseline)
    chance = case.make(F.SIGMOID, case.make(F.SUBTRACT, score, baseline))
    hit = case.make(F.LOG, chance)
    miss = case.make(F.LOG, case.make(F.SUBTRACT, case.builder.constant(1.0), chance))
    return case.maximize(case.mean(case.make(F.SELECT, correct, hit, miss)))


def live_baseline(case: Case) -> Case:
    """Leave-one-out inside the gradient."""
    return _leave_one_out(case, True)


def frozen_baseline(case: Case) -> Case:
    """The same, frozen: the samples of a prompt meet all the same."""
    return _leave_one_out(case, False)


def quantile_as_mask(case: Case) -> Case:
    """Only the most uncertain fifth of the tokens."""
    advantage = _advantage(case)
    case.at_update()
    bound = case.builder.reduce(Reduction.QUANTILE, case.entropy(), BATCH, argument=case.builder.constant(0.8))
    fork = case.make(F.GREATER_EQUAL, case.entropy(), bound)
    return case.maximize(case.mean(_clipped(case, _ratio(case), advantage), mask=fork))


def quantile_as_value(case: Case) -> Case:
    """A bound of the batch itself."""
    case.at_update()
    quantile = case.builder.reduce(Reduction.QUANTILE, case.logp(), BATCH, argument=case.builder.constant(0.35))
    return case.minimize(case.make(F.MULTIPLY, quantile, quantile))


def ratio_of_means(case: Case) -> Case:
    """Two live means, one over the other."""
    case.at_update()
    return case.minimize(case.make(F.DIVIDE, case.mean(_ratio(case)), case.mean(case.entropy())))


def discounted(case: Case) -> Case:
    """A live return, discounted from the end of each sample."""
    case.at_update()
    scanned = case.builder.scan(case.logp(), case.builder.constant(0.9), SAMPLE, True)
    return case.minimize(case.mean(case.make(F.MULTIPLY, scanned, scanned)))


OBJECTIVES = {
    "clipped surrogate": Known(clipped_surrogate, Level.TOKEN, TOKEN),
    "mean of means": Known(mean_of_means, Level.TOKEN, TOKEN),
    "constant length": Known(constant_length, Level.TOKEN, TOKEN),
    "masked tokens": Known(masked_tokens, Level.TOKEN, TOKEN),
    "two likelihoods": Known(two_likelihoods, Level.TOKEN, PAIR),
    "sequence ratio": Known(sequence_ratio, Level.SAMPLE, SAMPLE),
    "discounted": Known(discounted, Level.SAMPLE, SAMPLE),
    "preference": Known(preference, Level.PROMPT, PAIR),
    "live baseline": Known(live_baseline, Level.PROMPT, PROBLEM),
    "frozen baseline": Known(frozen_baseline, Level.PROMPT, PROBLEM),
    "quantile as mask": Known(quantile_as_mask, Level.BATCH, BATCH),
    "quantile as value": Known(quantile_as_value, Level.BATCH, BATCH),
    "ratio of means": Known(ratio_of_means, Level.BATCH, BATCH),
}

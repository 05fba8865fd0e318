"""Layouts and values at the edges, and objectives that the passes' own tests do not have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rldsl.graph.model import Function, Node, Read, Reduction
from rldsl.kernels.layout import Layout
from rldsl.types import BATCH, Element
from tests.passes.cases import LAYOUT, PROBLEM, SAMPLE, TOKEN, Case

F = Function


def layout_of(problems: int, samples: list[int], tokens: list[int]) -> Layout:
    """A layout of rollouts; the pairs are those of the small world."""
    counts = {name: np.diff(offsets) for name, offsets in LAYOUT.offsets.items()}
    return Layout.of(LAYOUT.parents, {**counts, "problems": [problems], "y.sample": samples, "y.token": tokens})


LAYOUTS: Mapping[str, Layout] = {
    "one token": layout_of(1, [1], [1]),
    "one sample in each group": layout_of(3, [1, 1, 1], [2, 1, 4]),
    "empty samples": layout_of(2, [3, 2], [0, 3, 0, 0, 2]),
    "an empty group": layout_of(3, [2, 0, 1], [3, 1, 2]),
    "no tokens at all": layout_of(2, [1, 2], [0, 0, 0]),
}


def ragged(seed: int = 3, samples: int = 40, longest: int = 150) -> Layout:
    """Long enough that loops are vectorised, with remainders of every size."""
    chosen = np.random.default_rng(seed)
    groups = [4] * (samples // 4)
    return layout_of(len(groups), groups, [int(n) for n in chosen.integers(0, longest, samples)])


def generalised_advantage(case: Case) -> Case:
    """Advantages by a discounted scan of differences of a critic's values, frozen; a clipped surrogate on them."""
    reward, value = case.leaf("reward", TOKEN), case.leaf("value", TOKEN)
    case.at_update()
    later = case.builder.shift(value, case.builder.constant(0.0), SAMPLE, 1)
    delta = case.make(F.SUBTRACT, case.make(F.ADD, reward, case.make(F.MULTIPLY, later, 0.99)), value)
    advantage = case.builder.scan(delta, case.builder.constant(0.94), SAMPLE, True)
    ratio = case.make(F.EXP, case.make(F.SUBTRACT, case.logp(), case.recorded_logp()))
    clipped = case.make(F.MULTIPLY, case.make(F.CLIP, ratio, 0.8, 1.2), advantage)
    return case.maximize(case.mean(case.make(F.MINIMUM, case.make(F.MULTIPLY, ratio, advantage), clipped)))


def normalised(case: Case) -> Case:
    """A live value over its own standard deviation in each group."""
    case.at_update()
    score = case.mean(case.probe("score"), SAMPLE)
    centred = case.make(F.SUBTRACT, score, case.mean(score, PROBLEM))
    deviation = case.builder.reduce(Reduction.STD, score, PROBLEM)
    scaled = case.make(F.DIVIDE, centred, case.make(F.ADD, deviation, 0.1))
    return case.minimize(case.mean(case.make(F.TANH, case.make(F.MULTIPLY, scaled, case.mean(case.logp(), SAMPLE)))))


def extremes(case: Case) -> Case:
    """The token and the sample that are worst and best take the gradient."""
    case.at_update()
    worst = case.builder.reduce(Reduction.MINIMUM, case.logp(), SAMPLE)
    best = case.builder.reduce(Reduction.MAXIMUM, worst, BATCH)
    return case.maximize(case.mean(worst)).minimize(case.make(F.MULTIPLY, best, best))


def masked_out(case: Case) -> Case:
    """A mask that holds nowhere."""
    mask = case.leaf("mask", TOKEN, np.zeros(case.layout.size("y.token")), element=Element.BOOL)
    case.at_update()
    ratio = case.make(F.EXP, case.make(F.SUBTRACT, case.logp(), case.recorded_logp()))
    return case.maximize(case.mean(ratio, mask=mask))


OBJECTIVES = {"generalised advantage": generalised_advantage, "normalised": normalised, "extremes": extremes,
              "masked out": masked_out}


def set_log_ratio(case: Case, sizes: tuple[float, ...]) -> Case:
    """Log-ratios of these sizes, in turn, between the current policy and the recorded one."""
    graph = case.graph
    logp = next(key for key, value in case.given.items() if _is(graph[key], "actor"))
    others = [key for key in case.given if _is(graph[key], "ref") or "logp" in str(graph[key].operation)]
    for key in others:
        if key != logp and graph[key].type.axis == graph[logp].type.axis:
            case.given[key] = case.given[logp] - np.resize(sizes, case.given[logp].shape)
    return case


def _is(node: Node, model: str) -> bool:
    return isinstance(node.operation, Read) and node.operation.model == model and node.operation.kind == "logp"

"""Random well-typed specs: however their coupling lets them be cut, the gradient is one, and it is that of finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.differential.random_specs import random_objective, spec_text
from tests.laws.scenes import Name, Scene, distance, frozen_values, law, meaning, outcome, scene_of

FEW, MANY = 24, 600
STEP = 1e-5


@pytest.mark.wide(1)
@pytest.mark.parametrize("chunk", range(4))
def test_random_objectives_may_be_cut_as_their_coupling_says(chunk: int) -> None:
    for seed in range(chunk, FEW, 4):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(8))
def test_many_random_objectives_may_be_cut_as_their_coupling_says(chunk: int) -> None:
    for seed in range(FEW + chunk, MANY, 8):
        check(seed)


def check(seed: int) -> None:
    """A piece is differentiated while the reads of those that come before it in the batch are still 0: a coupling that was
    overlooked shows."""
    text = spec_text(random_objective(seed))
    objective = law(text)
    scene = scene_of(objective.spec, seed)
    wanted = outcome(objective, scene)
    for most_rows in (1, 5):
        found = outcome(objective, scene, most_rows=most_rows)
        # Sums of 16 tokens in float64, through up to 20 operations of slopes up to e^3.
        assert distance(found.gradients, wanted.gradients) <= 1e-10, text
        assert found.values["loss"] == pytest.approx(wanted.values["loss"], rel=1e-10, abs=1e-10), text
    random = np.random.default_rng(seed)
    direction = {name: torch.from_numpy(random.standard_normal(scene[name].shape)) for name in wanted.gradients}
    along = sum(float((gradient * direction[name]).sum()) for name, gradient in wanted.gradients.items())
    held = frozen_values(objective, scene)
    before, here, beyond = (float(meaning(objective, moved(scene, direction, step), held)) for step in (-STEP, 0.0, STEP))
    left, right = (here - before) / STEP, (beyond - here) / STEP
    if abs(left - right) <= 1e-2 * max(1.0, abs(along)):  # else a kink: `max(x, frozen(x))` has two slopes
        # Second derivatives cancel; third ones of up to 1e4 (a cube of e^3) leave 2e-7, a kink within the step a part of it.
        assert along == pytest.approx((left + right) / 2, rel=1e-5, abs=1e-5), text


def moved(scene: Scene, direction: dict[Name, torch.Tensor], step: float) -> Scene:
    return scene.having({name: scene[name] + step * part for name, part in direction.items()})

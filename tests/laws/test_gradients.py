"""Gradients against finite differences of the loss on the spec's own graph, which no pass has seen."""

from __future__ import annotations

import pytest
import torch

from tests.laws.scenes import Law, Name, Scene, Shape, distance, frozen_values, meaning, outcome, scene_of
from tests.laws.specs import EVERYTHING, everything, form

# A central difference of a function of size 1 with step h errs by h^2 f'''/6 + 2^-53/h: 1e-10 and 1e-11 here, where third
# derivatives stay under 60. No scene of these seeds has a kink (a clip bound, a tie) within h.
STEP = 1e-5
TOLERANCE = 2e-9


def slope(law: Law, scene: Scene, direction: dict[Name, torch.Tensor]) -> float:
    """The derivative of the loss along a direction of the logits, what `frozen(…)` holds kept at its value of now."""
    held = frozen_values(law, scene)
    beyond, before = (scene.having({name: scene[name] + step * part for name, part in direction.items()})
                      for step in (STEP, -STEP))
    return float(meaning(law, beyond, held) - meaning(law, before, held)) / (2 * STEP)


def agrees(law: Law, scene: Scene, directions: int, seed: int = 0) -> None:
    """A gradient that is wrong anywhere is wrong along a random direction."""
    found = outcome(law, scene).gradients
    assert found
    generator = torch.Generator().manual_seed(seed)
    for _ in range(directions):
        direction = {name: torch.randn(scene[name].shape, generator=generator, dtype=torch.float64) for name in found}
        along = sum(float((gradient * direction[name]).sum()) for name, gradient in found.items())
        assert along == pytest.approx(slope(law, scene, direction), rel=1e-7, abs=TOLERANCE)


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_gradient_is_that_of_the_surrogate_in_which_frozen_parts_stand_still(name: str) -> None:
    law = everything(name)
    agrees(law, scene_of(law.spec), 2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", EVERYTHING)
def test_it_is_so_on_many_scenes(name: str, seed: int) -> None:
    law = everything(name)
    shape = Shape() if seed % 2 else Shape((2, 3, 3), (5, 1, 4, 2, 6, 3, 1, 2))
    agrees(law, scene_of(law.spec, seed, shape), 3, seed)


@pytest.mark.wide(2)
@pytest.mark.parametrize("read", [
    "logp(actor, y)", "logp(actor, y, temperature: 0.5)", "entropy(actor, y)", "entropy(actor, y, temperature: 2)",
    "kl(actor, ref, y)", "kl(ref, actor, y)", "kl(actor, ref, y, temperature: 2)", "js(actor, ref, y)", "js(ref, actor, y)",
    "tv(actor, ref, y)", "js(actor, ref, y, weight: 0.2)", "js(ref, actor, y, weight: 0.2)",
    "alpha_divergence(actor, ref, y, alpha: 0.7)", "alpha_divergence(actor, ref, y, alpha: 0.2)",
    "alpha_divergence(ref, actor, y, alpha: -0.5)", "alpha_divergence(ref, actor, y, alpha: 1.5, temperature: 2)"])
def test_every_logit_has_the_gradient_of_its_finite_difference(read: str) -> None:
    """One logit after the other, weighted differently at each token."""
    law = form(f"minimize a: mean(advantage * {read})")
    scene = scene_of(law.spec, seed=2, shape=Shape((2, 2), (2, 0, 1, 1), ((1, 1),)), vocabulary=4)
    name, = (name for name in scene.states if name[3] == "y")
    found = outcome(law, scene).gradients[name]
    assert found.abs().min() > 0
    for place, logit in torch.cartesian_prod(*(torch.arange(size) for size in found.shape)).tolist():
        unit = torch.zeros_like(found)
        unit[place, logit] = 1.0
        assert float(found[place, logit]) == pytest.approx(slope(law, scene, {name: unit}), rel=1e-7, abs=TOLERANCE)


def test_freezing_a_baseline_is_not_the_same_as_leaving_it_live() -> None:
    """So that the tests above see the difference."""
    live, frozen = everything("live leave-one-out"), everything("frozen leave-one-out")
    scene = scene_of(live.spec)
    one, other = (outcome(law, scene) for law in (live, frozen))
    assert one.values["loss"] == other.values["loss"]
    assert max(float((one.gradients[name] - other.gradients[name]).norm()) for name in one.gradients) > 1e-3


@pytest.mark.parametrize("reduction", ["std", "std_population"])
def test_a_deviation_of_equal_live_values_has_no_gradient(reduction: str) -> None:
    """It is exactly 0, whatever their mean rounds to (which it does at some of these seeds)."""
    level = "minimize a: mean(logp(actor, y))  "
    law = form(level + f"maximize b: mean({reduction}(spread(mean(logp(actor, y)), to: y), per: prompt))")
    without = form(level)
    for seed in range(20):
        scene = scene_of(law.spec, seed)
        found = outcome(law, scene)
        assert found.values["objective/b"] == 0.0
        assert distance(found.gradients, outcome(without, scene).gradients) == 0.0

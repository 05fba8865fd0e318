"""The same laws for the CPU kernels, in float32 on logits, for objectives that between them read everything they can read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.laws.scenes import below, distance, law, on_policy, outcome, rearranged, scene_of
from tests.laws.specs import EXAMPLES, everything

NAMES = ["dapo.dapo", "quickstart.grpo", "ppo.values", "exact divergences"]
# A row's exponentials and their sum are exact to 2^-22 or so; a ratio, or a sigmoid of 4 such tokens, follows with a slope of 1.
ROUNDING = 1e-6


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    """For small tensors, threads cost more than they do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", NAMES)
def test_the_kernels_have_the_gradient_of_the_reference(name: str) -> None:
    objective = everything(name)
    for seed in range(4):
        scene = scene_of(objective.spec, seed)
        found, wanted = outcome(objective, scene, backend="numba"), outcome(objective, scene)
        assert distance(found.gradients, wanted.gradients) <= ROUNDING
        for label, value in wanted.values.items():
            assert found.values[label] == pytest.approx(value, rel=ROUNDING, abs=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_rearranging_rearranges_and_doubling_halves(name: str) -> None:
    objective = everything(name)
    scene, random = scene_of(objective.spec, 1), np.random.default_rng(2)
    groups = below(scene.layout, "batch")
    wanted = outcome(objective, scene, backend="numba")
    for copies in (1, 2):
        other, old = rearranged(scene, lambda axis, places, copies=copies: random.permutation(np.tile(places, copies))
                                if axis in groups else places)
        found = outcome(objective, other, backend="numba")
        assert distance(found.gradients, {name: gradient[torch.from_numpy(old[scene.columns[name].axis])] / copies
                                          for name, gradient in wanted.gradients.items()}) <= ROUNDING
        assert found.values["loss"] == pytest.approx(wanted.values["loss"], rel=ROUNDING)


def test_on_policy_the_clipped_surrogate_has_the_gradient_of_the_plain_policy_gradient() -> None:
    text = (EXAMPLES / "quickstart.rl").read_text(encoding="utf-8")
    plain = law(re.sub(r"clipped\(ratio, advantage, [^)]*\)", "advantage * logp(actor, y)", text), "grpo", EXAMPLES)
    now = on_policy(scene_of(plain.spec, 3))
    found = outcome(everything("quickstart.grpo"), now, backend="numba")
    assert distance(found.gradients, outcome(plain, now).gradients) <= ROUNDING


def test_without_advantage_there_is_exactly_no_gradient() -> None:
    objective = everything("dapo.dapo")
    scene = scene_of(objective.spec, 3)
    found = outcome(objective, scene, backend="numba", advantage=np.zeros(scene.layout.size("y.sample")))
    assert found.values["loss"] == 0.0 and not any(gradient.any() for gradient in found.gradients.values())


def test_equal_policies_have_no_divergence_and_no_gradient_of_it() -> None:
    """Up to the rounding of one row."""
    objective = everything("exact divergences")
    scene = scene_of(objective.spec, 3)
    same = scene.having({name: scene["states", "actor", "current", "y"] for name in scene.columns
                         if name[:2] == ("states", "ref")})
    for backend in ("numba", "torch"):
        found = outcome(objective, same, backend=backend)
        assert abs(found.values["loss"]) <= 1e-7
        assert max(float(gradient.abs().max()) for gradient in found.gradients.values()) <= 1e-7

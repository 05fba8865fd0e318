"""What a change of all rewards does to the methods that compare an answer with its group."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.laws.scenes import Scene, distance, equal, outcome, scene_of, value_of
from tests.laws.specs import example, form

CENTRED = ["dapo.dapo", "dr_grpo.dr_grpo", "grpo.grpo", "gspo.gspo", "quickstart.grpo", "rloo.rloo"]
SCALED = ["dapo.dapo", "grpo.grpo", "gspo.gspo", "quickstart.grpo"]
GUARD = 1e-4  # beside the deviation, in all examples that divide by one


def rewarded(scene: Scene, factor: float = 1.0, shift: float = 0.0) -> Scene:
    """Every reward changed alike; the total is a mean of them."""
    return scene.having({name: factor * column.values + shift for name, column in scene.columns.items() if name[0] == "reward"})


@pytest.mark.parametrize("shift", [0.25, -1.0, 1000.1])
@pytest.mark.parametrize("name", CENTRED)
def test_a_constant_added_to_all_rewards_changes_nothing(name: str, shift: float) -> None:
    law = example(*name.split("."))
    scene = scene_of(law.spec)
    found, wanted = outcome(law, rewarded(scene, shift=shift)), outcome(law, scene)
    # Rewards of size 1 moved by s are rounded to s * 2^-53, which deviations of at least 1/16 multiply by at most 16.
    tolerance = 1e-13 + 32 * abs(shift) * 2.0**-53
    assert distance(found.gradients, wanted.gradients) <= tolerance
    assert found.values["loss"] == pytest.approx(wanted.values["loss"], rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("factor", [0.01, 7.0])
@pytest.mark.parametrize("name", SCALED)
def test_rewards_in_another_unit_change_only_what_the_guard_says(name: str, factor: float) -> None:
    """`(c s + g)` for `c (s + g)`: each group's part of the gradient is multiplied by `(s + g) / (s + g / c)`."""
    law = example(*name.split("."))
    scene = scene_of(law.spec)
    found, wanted = outcome(law, rewarded(scene, factor)), outcome(law, scene)
    without = outcome(law, scene, advantage=np.where(np.isnan(wanted.inputs["advantage"]), np.nan, 0.0))
    rewards = value_of(law, scene, "correct" if name == "quickstart.grpo" else "total")
    owners = scene.layout.owners("y.sample", "problems")
    groups = [rewards[owners == group] for group in range(scene.layout.size("problems"))]
    deviations = np.array([np.std(group, ddof=1) if len(group) > 1 else np.nan for group in groups])
    factors = (deviations + GUARD) / (deviations + GUARD / factor)
    np.testing.assert_allclose(found.inputs["advantage"], wanted.inputs["advantage"] * factors[owners], rtol=1e-12)
    seat, = (name for name in found.gradients if name[3] == "y")
    rows = torch.nan_to_num(torch.from_numpy(factors[scene.layout.owners("y.token", "problems")]), nan=1.0)[:, None]
    predicted = without.gradients[seat] + rows * (wanted.gradients[seat] - without.gradients[seat])
    assert distance({seat: found.gradients[seat]}, {seat: predicted}) <= 1e-12
    assert float(without.gradients[seat].norm()) < float(wanted.gradients[seat].norm())


def test_leave_one_out_is_centred_times_n_over_n_less_one() -> None:
    """In every group by its own n, down to the gradient; a group of one has no others, and no part in the mean."""
    alone, centred = form("maximize a: mean(leave_one_out(total, per: prompt) * sum(logp(actor, y), per: sample))"), \
        form("maximize a: sum(where(count(total, per: prompt) > 1, centre(total, per: prompt) * count(total, per: prompt)"
             " / (count(total, per: prompt) - 1), 0) * sum(logp(actor, y), per: sample)) / 7")
    scene = scene_of(alone.spec, seed=4)
    found, wanted = outcome(alone, scene), outcome(centred, scene)
    assert distance(found.gradients, wanted.gradients) <= 1e-14
    assert found.values["loss"] == pytest.approx(wanted.values["loss"], rel=1e-13)


def test_in_groups_of_one_size_rloo_is_centred_reinforce_times_n_over_n_less_one() -> None:
    rloo = example("rloo", "rloo")
    centred = example("rloo", "rloo", ("import std.advantage (leave_one_out)", "import std.advantage (centre)"),
                     ("leave_one_out(penalised, per: prompt)", "centre(penalised, per: prompt)"))
    scene = scene_of(rloo.spec, seed=4, shape=equal(2, 4, 3))
    found, wanted = outcome(rloo, scene), outcome(centred, scene)
    assert distance(found.gradients, {name: 4 / 3 * gradient for name, gradient in wanted.gradients.items()}) <= 1e-14


@pytest.mark.parametrize("reward", [0.1, 0.7, 0.8, 1 / 3, 0.95])
@pytest.mark.parametrize("size", [2, 3, 5, 6, 7, 8, 16])
def test_a_group_of_equal_rewards_has_no_signal(size: int, reward: float) -> None:
    """Its deviation is exactly 0, whatever the sum of its rewards rounds to: DAPO leaves it out of the mean."""
    law = example("dapo", "dapo")
    scene = scene_of(law.spec, shape=equal(2, size, 2))
    rewards = np.where(np.arange(2 * size) < size, reward, np.random.default_rng(0).random(2 * size))
    scene = scene.having({name: torch.from_numpy(rewards) for name in scene.columns if name[0] == "reward"})
    np.testing.assert_array_equal(outcome(law, scene).inputs["informative"], [0.0, 1.0])

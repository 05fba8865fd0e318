"""Importance ratios, clips and preferences: what they are where nothing is off-policy, and by their definitions."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from tests.laws.scenes import Law, distance, equal, law, on_policy, outcome, scene_of
from tests.laws.specs import EXAMPLES, HEAD, form

CLIPPED = ["dapo.dapo", "dr_grpo.dr_grpo", "grpo.grpo", "gspo.gspo", "ppo.ppo", "quickstart.grpo"]
SURROGATE = re.compile(r"clipped\(ratio, advantage, [^)]*\)")
# Both sides compute in float64 what differs by a factor that is 1 up to rounding.
SAME = 1e-14


def with_surrogate(name: str, surrogate: str) -> Law:
    """An example whose clipped surrogate is replaced."""
    stem, objective = name.split(".")
    text = (EXAMPLES / f"{stem}.rl").read_text(encoding="utf-8")
    changed, count = SURROGATE.subn(surrogate, text)
    assert count == 1
    return law(changed, objective, EXAMPLES)


@pytest.mark.parametrize("name", CLIPPED)
def test_on_policy_the_clipped_surrogate_has_the_gradient_of_the_plain_policy_gradient(name: str) -> None:
    surrogate = with_surrogate(name, "clipped(ratio, advantage, 0.8 .. 1.2)")
    score = "mean(logp(actor, y), per: sample)" if name == "gspo.gspo" else "logp(actor, y)"
    plain = with_surrogate(name, f"advantage * {score}")
    scene = scene_of(surrogate.spec, seed=6)
    now = on_policy(scene)
    found = outcome(surrogate, now).gradients
    assert distance(found, outcome(plain, now).gradients) <= SAME
    assert distance(outcome(surrogate, scene).gradients, outcome(plain, scene).gradients) > 1e-2


@pytest.mark.wide(2)
@pytest.mark.parametrize("bounds", ["0.8 .. 1.28", "0.999 .. 1.001", "0.1 .. 10", "1 .. 1"])
@pytest.mark.parametrize("name", CLIPPED)
def test_on_policy_the_clip_does_nothing(name: str, bounds: str) -> None:
    """Also where the ratio lies on both bounds: neither is beyond."""
    surrogate, plain = with_surrogate(name, f"clipped(ratio, advantage, {bounds})"), with_surrogate(name, "ratio * advantage")
    now = on_policy(scene_of(surrogate.spec, seed=6))
    found, wanted = outcome(surrogate, now), outcome(plain, now)
    assert found.values["loss"] == pytest.approx(wanted.values["loss"], rel=SAME)
    assert distance(found.gradients, wanted.gradients) <= SAME


def test_a_dual_clip_far_away_is_no_dual_clip() -> None:
    dual = form("let r = exp(logp(actor, y) - y.logp)  maximize a: mean(dual_clipped(r, advantage, 0.8 .. 1.2, 1000))")
    single = form("let r = exp(logp(actor, y) - y.logp)  maximize a: mean(clipped(r, advantage, 0.8 .. 1.2))")
    near = form("let r = exp(logp(actor, y) - y.logp)  maximize a: mean(dual_clipped(r, advantage, 0.8 .. 1.2, 1.3))")
    scene = scene_of(dual.spec, seed=6)
    wanted = outcome(single, scene).gradients
    assert distance(outcome(dual, scene).gradients, wanted) <= SAME
    assert distance(outcome(near, scene).gradients, wanted) > 1e-2


def test_the_sequence_ratio_of_answers_of_one_token_is_the_token_ratio() -> None:
    sequence = form("let r = sequence_ratio(logp(actor, y) - y.logp)  maximize a: mean(clipped(r, advantage, 0.8 .. 1.2))")
    token = form("let r = exp(logp(actor, y) - y.logp)  maximize a: mean(clipped(r, advantage, 0.8 .. 1.2))")
    scene = scene_of(token.spec, seed=6, shape=equal(3, 3, 1))
    assert distance(outcome(sequence, scene).gradients, outcome(token, scene).gradients) <= SAME


# ------------------------------------------------------------------ preferences
MARGIN = "let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)  "


def test_the_gradient_of_dpo_is_that_of_its_implicit_reward() -> None:
    """Weighted by how wrong the implicit reward is: `-beta sigmoid(-beta margin) grad margin` (Rafailov et al., section 4)."""
    dpo = form(MARGIN + "minimize a: mean(dpo(margin, 0.3))")
    reward = form(MARGIN + "maximize a: mean(frozen(0.3 * sigmoid(-0.3 * margin)) * margin)")
    scene = scene_of(dpo.spec, seed=7)
    assert distance(outcome(dpo, scene).gradients, outcome(reward, scene).gradients) <= SAME


def test_dpo_is_the_likelihood_of_the_preference() -> None:
    dpo = form(MARGIN + "minimize a: mean(dpo(margin, 0.3))")
    likelihood = form(MARGIN + "maximize a: mean(log_likelihood(1, sigmoid(0.3 * margin)))")
    scene = scene_of(dpo.spec, seed=7)
    assert distance(outcome(dpo, scene).gradients, outcome(likelihood, scene).gradients) <= 1e-13


def test_what_is_said_of_both_answers_of_a_pair_cancels() -> None:
    """The reference may be off by any constant of the prompt: it is the partition sum that DPO never needs."""
    law_ = form(MARGIN + "minimize a: mean(dpo(margin, 0.3))")
    scene = scene_of(law_.spec, seed=7)
    wanted = outcome(law_, scene)
    changed = {}
    for response in ("win", "lose"):
        name = f"ref_logp_{response}"
        first = scene.layout.offsets[f"{response}.token"][:-1]
        changed[name] = wanted.inputs[name].copy()
        changed[name][first] -= np.array([0.5, 3.0, 1.25])
    found = outcome(law_, scene, **changed)
    assert distance(found.gradients, wanted.gradients) <= 1e-13
    assert found.values["loss"] == pytest.approx(wanted.values["loss"], rel=1e-13)


def test_swapping_the_answers_of_a_pair_swaps_the_gradient_of_the_margin() -> None:
    forth = form(MARGIN + "minimize a: mean(margin)")
    back = law((HEAD + "objective main for actor { " + MARGIN + " minimize a: mean(margin) }")
               .replace("implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)",
                        "implicit_reward(actor, ref, lose) - implicit_reward(actor, ref, win)"))
    scene = scene_of(forth.spec, seed=7)
    found, wanted = outcome(forth, scene).gradients, outcome(back, scene).gradients
    assert distance(found, {name: -gradient for name, gradient in wanted.items()}) == 0.0
    assert all(torch.isfinite(gradient).all() for gradient in found.values())

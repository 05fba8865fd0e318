"""Advantages, returns and reward models: identities on ragged scenes, and expectations by enumerating whole groups."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from rldsl.compiler import check_source
from rldsl.loading import library_only
from rldsl.source import Source
from rldsl.testing.run import run_test
from tests.laws.scenes import Column, Law, Scene, Shape, law, scene_of, value_of

HEAD = """
import std.advantage (centre, centre_and_scale, l1_normalize, leave_one_out, sign_balanced, whiten)
import std.group (class_weight, grpo_advantage, maxrl_advantage, opo_advantage, pass_at_k_advantage, pass_at_k_reward,
  quantile_advantage, reinforce_plus_plus_advantage, rloo_advantage)
import std.returns (gae, gae_bootstrapped, lambda_returns, returns, td_error, vtrace_advantage, vtrace_targets)
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
critic v from hf("critic")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
reward correct = verify.equal(y.text, problems.answer)
reward score = text.matching_places(y.text, problems.answer)
"""
# One prompt with a single answer, one answer without a token.
RAGGED = Shape()
GROUPS = Shape((4, 2, 3), (3, 1, 2, 4, 2, 0, 3, 1, 1))


def computed(text: str, seed: int = 0, shape: Shape = RAGGED) -> np.ndarray:
    """The value of a let named `x`, in a spec that uses it."""
    found, scene = prepared(text, seed, shape)
    return value_of(found, scene, "x")


def prepared(text: str, seed: int, shape: Shape) -> tuple[Law, Scene]:
    """The spec and random numbers for it, the same for all texts of one seed."""
    whole = "let kept = score + correct + mean(value(v, y) + y.logp + logp(actor, y) + logp(ref, y), per: sample)"
    spec = law(f"{HEAD}{whole}\n{text}\nobjective main for actor {{ maximize a: mean(correct * logp(actor, y)) }}\n")
    return spec, scene_of(spec.spec, seed, shape)


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-12) -> bool:
    """Equal, absent values included, and not all 0."""
    assert np.isfinite(wanted).any() and np.nanmax(np.abs(wanted)) > 1e-3
    return bool(np.allclose(found, wanted, rtol=tolerance, atol=tolerance, equal_nan=True))


# ------------------------------------------------------------------ groups
@pytest.mark.parametrize("seed", range(3))
def test_leave_one_out_is_centred_times_n_over_n_minus_one(seed: int) -> None:
    found = computed("let x = leave_one_out(score, per: prompt)", seed)
    centred = computed("let x = centre(score, per: prompt)", seed)
    n = np.repeat([4, 1, 3], [4, 1, 3])
    wanted = np.where(n > 1, centred * n / np.maximum(n - 1, 1), np.nan)
    assert close(found, wanted)
    assert close(computed("let x = rloo_advantage(score)", seed), wanted)


@pytest.mark.wide(3)
@pytest.mark.parametrize("form", [
    "centre(score, per: prompt)", "grpo_advantage(score, 1e-4)", "whiten(score, per: prompt, guard: 1e-4)",
    "l1_normalize(score, per: prompt, guard: 0)", "sign_balanced(centre(score, per: prompt), per: prompt)",
    "centre_and_scale(score, mean_per: prompt, std_per: batch, guard: 0)", "maxrl_advantage(correct)",
    "pass_at_k_advantage(correct, 2)"])
def test_advantages_of_a_group_add_up_to_0(form: str) -> None:
    for seed in range(4):
        sums = computed(f"let a = {form}  let x = sum(a, per: prompt)", seed, GROUPS)
        sizes = computed(f"let a = {form}  let x = sum(abs(a), per: prompt)", seed, GROUPS)
        assert np.nanmax(np.abs(sums)) <= 1e-12
        if np.nanmax(sizes) > 0.1:
            return
    raise AssertionError("every scene was flat")


def test_one_group_by_mean_and_deviation_is_normalize() -> None:
    found = computed("let x = centre_and_scale(score, mean_per: prompt, std_per: prompt, guard: 1e-3)")
    assert close(found, computed("let x = normalize(score, per: prompt, guard: 1e-3)"))


def test_the_l1_form_is_the_balance_of_all_pairs() -> None:
    """Every ordered pair of answers gives its difference to the one and takes it from the other."""
    pairs = "let p = sum(score - others(score, per: prompt), per: sample)"
    found = computed(f"{pairs}  let x = p / mean(abs(p), per: prompt)", 0, GROUPS)
    assert close(found, computed("let x = l1_normalize(score, per: prompt, guard: 0)", 0, GROUPS))


def test_opos_baseline_has_the_least_weighted_variance() -> None:
    """Of `sum length (reward - b)^2`: nothing moves it to first order."""
    text = "let x = sum(y.length * opo_advantage(score, y.length), per: prompt)"
    assert np.abs(computed(text)).max() <= 1e-12
    assert np.abs(computed("let x = sum(y.length * centre(score, per: prompt), per: prompt)")).max() > 1e-2


def test_pass_at_1_is_grpo_with_the_population_deviation() -> None:
    for seed in range(4):
        found = computed("let x = pass_at_k_advantage(correct, 1)", seed, GROUPS)
        deviation = computed("let x = std_population(correct, per: prompt)", seed, GROUPS)[np.repeat([0, 1, 2], [4, 2, 3])]
        centred = computed("let x = centre(correct, per: prompt)", seed, GROUPS)
        if deviation.max() > 0:
            assert close(found, np.where(deviation > 0, centred / np.where(deviation > 0, deviation, 1.0), 0.0))
            return
    raise AssertionError("every scene was flat")


def test_with_two_kinds_of_answers_a_quantile_keeps_one() -> None:
    for seed in range(4):
        found = computed("let x = quantile_advantage(correct, 0.4, 1e-6)", seed, GROUPS)
        wrong = 1 - computed("let x = mean(correct, per: prompt)", seed, GROUPS)
        for place, rows in enumerate(np.split(found, [4, 6])):
            assert (rows >= 0).all() if wrong[place] >= 0.4 else (rows <= 0).all()


def test_class_weights_make_both_classes_count_the_same() -> None:
    sums = computed("let x = sum(class_weight(correct, per: prompt) * (2 * correct - 1), per: prompt)", 0, GROUPS)
    both = computed("let x = std_population(correct, per: prompt)", 0, GROUPS) > 0
    assert both.any() and np.abs(sums[both]).max() <= 1e-12


# ------------------------------------------------------------------ expectations over whole groups
ANSWERS = 4


def over_groups(text: str, chance: float) -> float:
    """The average over all groups of four answers, right with `chance = sigmoid(z)`, of `sum_i a_i d log p_i / dz`."""
    groups = list(product((0.0, 1.0), repeat=ANSWERS))
    found, scene = prepared(text, 0, Shape((ANSWERS,) * len(groups), (1,) * (ANSWERS * len(groups))))
    name = ("reward", "verify.equal", "y.sample")
    right = np.array(groups)
    scene = scene.having({name: torch.from_numpy(right.reshape(-1))})
    assert scene.columns[name] == Column("y.sample", scene[name])
    advantage = value_of(found, scene, "x").reshape(right.shape)
    likely = np.prod(np.where(right > 0, chance, 1 - chance), axis=1)
    return float((likely * (advantage * (right - chance)).sum(1)).sum())


@pytest.mark.parametrize("chance", [0.1, 0.35, 0.8])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_policy_gradient_of_the_pass_at_k_reward_is_that_of_pass_at_k(k: int, chance: float) -> None:
    """The derivative of `1 - (1 - p)^k` by the logit of p."""
    found = over_groups(f"let x = pass_at_k_reward(correct, {k})", chance)
    assert found == pytest.approx(k * (1 - chance) ** (k - 1) * chance * (1 - chance), rel=1e-12)


@pytest.mark.parametrize("chance", [0.1, 0.35, 0.8])
def test_before_centring_maxrl_follows_the_cut_log_likelihood(chance: float) -> None:
    """The derivative of `-sum_{k <= 4} (1 - p)^k / k` by the logit of p."""
    found = over_groups("let x = (maxrl_advantage(correct) + where(sum(correct, per: prompt) > 0, 1, 0)) / 4", chance)
    wanted = sum((1 - chance) ** (k - 1) for k in range(1, ANSWERS + 1)) * chance * (1 - chance)
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("chance", [0.1, 0.35, 0.8])
def test_leave_one_out_is_unbiased_and_the_centred_group_is_so_after_n_over_n_minus_one(chance: float) -> None:
    wanted = ANSWERS * chance * (1 - chance)
    assert over_groups("let x = leave_one_out(correct, per: prompt)", chance) == pytest.approx(wanted, rel=1e-12)
    assert over_groups("let x = centre(correct, per: prompt)", chance) == pytest.approx(wanted * 3 / 4, rel=1e-12)
    assert over_groups("let x = correct", chance) == pytest.approx(wanted, rel=1e-12)


# ------------------------------------------------------------------ returns
REWARD = "let r = at_last(score, y) - 0.1 * (y.logp - logp(ref, y))  let b = value(v, y)  "
ONE = "let one = exp(0 * y.logp)  "
OFF = "let ratio = exp(logp(actor, y) - y.logp)  "


@pytest.mark.parametrize("seed", range(3))
def test_gae_at_lambda_1_is_the_return_less_the_value_and_at_0_the_one_step_error(seed: int) -> None:
    found = computed(REWARD + "let x = gae(r, b, 0.9, 1)", seed)
    assert close(found, computed(REWARD + "let x = returns(r, 0.9) - b", seed))
    assert close(computed(REWARD + "let x = gae(r, b, 0.9, 0)", seed), computed(REWARD + "let x = td_error(r, b, 0.9)", seed))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_on_policy_v_trace_is_the_lambda_return(decay: float, seed: int) -> None:
    found = computed(f"{REWARD}{ONE}let x = vtrace_targets(one, r, b, 0.9, {decay}, 1, 1)", seed)
    assert close(found, computed(f"{REWARD}let x = lambda_returns(r, b, 0.9, {decay})", seed))


@pytest.mark.parametrize("seed", range(3))
def test_on_policy_v_trace_at_lambda_1_is_the_n_step_return_and_its_advantage_gae(seed: int) -> None:
    found = computed(f"{REWARD}{ONE}let x = vtrace_targets(one, r, b, 0.9, 1, 1, 1)", seed)
    assert close(found, computed(f"{REWARD}let x = returns(r, 0.9)", seed))
    found = computed(f"{REWARD}{ONE}let x = vtrace_advantage(one, r, b, 0.9, 1, 1, 1)", seed)
    assert close(found, computed(f"{REWARD}let x = gae(r, b, 0.9, 1)", seed))


def test_off_policy_v_trace_satisfies_its_recursion() -> None:
    """`v_t - V_t = delta_t + discount c_t (v_{t+1} - V_{t+1})`, with caps that bind; Espeholt et al. 2018, remark 1."""
    target = f"{REWARD}{OFF}let t = vtrace_targets(ratio, r, b, 0.9, 1, 1.1, 0.9)  "
    found = computed(target + "let x = t - b")
    assert close(found, computed(target + "let c = min(ratio, 0.9)"
                                 "  let x = min(ratio, 1.1) * td_error(r, b, 0.9) + 0.9 * c * next(t - b, fill: 0)"))
    assert not close(found, computed(REWARD + "let x = gae(r, b, 0.9, 1)"))


def test_a_bootstrap_of_0_is_no_bootstrap() -> None:
    found = computed(REWARD + "let x = gae_bootstrapped(r, b, 0 * score, 0.9, 0.8)")
    assert close(found, computed(REWARD + "let x = gae(r, b, 0.9, 0.8)"))
    assert not close(found, computed(REWARD + "let x = gae_bootstrapped(r, b, score, 0.9, 0.8)"))


def test_reinforce_plus_plus_is_white_over_the_tokens_of_the_batch() -> None:
    found = computed(REWARD + "let x = reinforce_plus_plus_advantage(r, 1, 0)")
    assert abs(found.mean()) <= 1e-12 and found.var(ddof=1) == pytest.approx(1.0, rel=1e-12)


# ------------------------------------------------------------------ proper scores
@pytest.mark.parametrize("score", ["brier", "log_score", "spherical_score"])
@pytest.mark.parametrize("truth", [0.05, 0.3, 0.5, 0.85])
def test_nothing_scores_better_on_average_than_the_true_probability(score: str, truth: float) -> None:
    stated = [place / 40 for place in range(1, 40)]
    text = f"""import std.scoring ({score})
test "proper" {{
  let p = {stated} @ sample
  let average = {truth} * {score}(p, 1) + {1 - truth} * {score}(p, 0)
  let best = {truth} * {score}({truth}, 1) + {1 - truth} * {score}({truth}, 0)
  expect min(average - best) >= -1e-15
  expect max(where(average - best <= 1e-12, abs(p - {truth}), 0)) <= 1e-6
}}
"""
    result = check_source(Source("proper.rl", text), library_only)
    assert result.spec is not None and result.errors == ()
    outcome = run_test(result.spec, result.spec.tests[0], "torch")
    assert outcome.passed, outcome.failures


def test_an_absolute_error_is_not_proper() -> None:
    """So that the test above sees the difference: it pays to say 0 or 1."""
    result = check_source(Source("improper.rl", """test "improper" {
  let p = [0.05, 0.3, 0.9] @ sample
  expect min(0.3 * (1 - p) + 0.7 * p - (0.3 * 0.7 + 0.7 * 0.3)) < -0.01
}
"""), library_only)
    assert result.spec is not None and result.errors == ()
    assert run_test(result.spec, result.spec.tests[0], "torch").passed

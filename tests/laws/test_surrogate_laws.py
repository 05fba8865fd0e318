"""What the surrogates of the library have in common, where they are each other, and what their expectation is."""

from __future__ import annotations

import pytest
import torch

from tests.laws.scenes import Law, Scene, Shape, distance, equal, law, on_policy, outcome, scene_of
from tests.laws.specs import HEAD
from tests.laws.test_expectations import CURRENT, PREFIXES, SAMPLER, VOCABULARY, WEIGHT, all_answers, same

IMPORTS = """
import std.surrogate (unclipped, two_sided_clipped, decoupled_clipped, preclipped_ratio, sapo)
import std.policy_gradient (reinforce, weighted_reinforce, cispo, topr, vespo, dro, dro_surrogate)
import std.sequence (product_ratio, gspo, gspo_token, gmpo, luspo, off_policy_mask)
import std.importance (truncated, masked, self_normalized, is_within, is_answer_near)
import std.token_choice (top_share, covariance, clip_cov, kl_cov, binary_tv, binary_kl, dppo, dppo_truncated)
import std.entropy (sampled_entropy, forking_tokens)
import std.outcome (nsr, psr, by_outcome)
import std.divergence (k3_of)
"""
NAMES = """let now = logp(actor, y)
  let d = now - y.logp
  let r = exp(d)
  let whole = sum(d, per: sample)
"""
WIDE, TIGHT = "0.0001 .. 10000", "0.9 .. 1.1"
# Both sides compute in float64 what differs by a few roundings.
SAME, CLOSE = 1e-14, 1e-13


def form(terms: str) -> Law:
    """An objective over log-ratio `d`, ratio `r`, live log-probability `now` and summed log-ratio `whole`."""
    return law(f"{IMPORTS}{HEAD}objective main for actor {{\n  {NAMES}  {terms}\n}}\n")


def apart(one: str, other: str, scene: Scene) -> float:
    """The distance of the gradients of two maximised terms."""
    return distance(outcome(form(f"maximize a: {one}"), scene).gradients,
                    outcome(form(f"maximize a: {other}"), scene).gradients)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Off policy: no ratio is 1, and one answer is empty."""
    return scene_of(form("maximize a: mean(unclipped(r, advantage))").spec, seed=6)


# ------------------------------------------------------------------ where the samples are one's own
TOKENS = {
    "unclipped": "unclipped(r, advantage)",
    "two-sided clip": "two_sided_clipped(r, advantage, 0.8 .. 1.28, 3)",
    "decoupled clip": "decoupled_clipped(r, frozen(r), advantage, 0.8 .. 1.28)",
    "cut before the exponential": "clipped(preclipped_ratio(d, 0.001 .. 1000), advantage, 0.8 .. 1.2)",
    "SAPO": "sapo(r, advantage, 1, 1.05)",
    "CISPO": "cispo(now, r, advantage, 0 .. 5)",
    "a weight": "weighted_reinforce(now, truncated(r, 2), advantage)",
    "a masked weight": "masked(r, 0.5 .. 2) * unclipped(r, advantage)",
    "a normalised weight": "self_normalized(r) * unclipped(r, advantage)",
    "TOPR by token": "topr(now, d, advantage)",
    "VESPO": "vespo(now, whole, advantage, 2, 3, 3, 2)",
    "DRO": "dro_surrogate(now, d, advantage, 0.4)",
    "DPPO": "dppo(r, advantage, binary_tv(now, y.logp), 0)",
    "DPPO, truncated": "dppo_truncated(now, r, advantage, binary_kl(now, y.logp), 0, 20)",
    "off-policy mask": "unclipped(r, advantage) * off_policy_mask(d, advantage, 0)",
    "rejection": "where(is_answer_near(d, k3_of, max, 0) and is_within(r, 1 .. 1), unclipped(r, advantage), 0)",
}


@pytest.mark.wide(3)
@pytest.mark.parametrize("name", TOKENS)
def test_on_policy_a_token_surrogate_has_the_plain_policy_gradient(name: str, scene: Scene) -> None:
    now = on_policy(scene)
    assert apart(f"mean({TOKENS[name]})", "mean(reinforce(now, advantage))", now) <= SAME
    assert apart(f"mean({TOKENS[name]})", "mean(reinforce(now, advantage))", scene) > 1e-3


WITH_TOKENS = "where: count(now, per: sample) > 0"  # what has no mean ratio is left out of a mean over answers


@pytest.mark.wide(1)
@pytest.mark.parametrize(("surrogate", "plain"), [
    (f"gspo(d, advantage, {TIGHT})", "mean(advantage * mean(now, per: sample))"),
    (f"mean(gspo_token(now, d, advantage, {TIGHT}), per: sample)", "mean(advantage * mean(now, per: sample))"),
    (f"gmpo(d, advantage, {TIGHT})", "mean(advantage * mean(now, per: sample))"),
    (f"luspo(d, advantage, {TIGHT})", f"mean(advantage * sum(now, per: sample), {WITH_TOKENS})"),
    ("unclipped(product_ratio(d), advantage)", "mean(advantage * sum(now, per: sample))"),
    ("topr(sum(now, per: sample), whole, advantage)", "mean(advantage * sum(now, per: sample))"),
])
def test_on_policy_a_sequence_surrogate_has_the_policy_gradient_of_its_answers(surrogate: str, plain: str, scene: Scene) -> None:
    """Of the mean over an answer's tokens, or of their sum."""
    assert apart(f"mean({surrogate})", plain, on_policy(scene)) <= SAME
    assert apart(f"mean({surrogate})", plain, scene) > 1e-3


# ------------------------------------------------------------------ where one is another
PAIRS = [
    ("CISPO without a cut is the weighted ratio", f"mean(cispo(now, r, advantage, {WIDE}))", "mean(r * advantage)"),
    ("so is truncation far away", "mean(truncated(r, 10000) * advantage * now)", "mean(r * advantage)"),
    ("DPPO without a limit", "mean(dppo(r, advantage, binary_tv(now, y.logp), 1))", "mean(r * advantage)"),
    ("DPPO truncated far away is DPPO", "mean(dppo_truncated(now, r, advantage, binary_tv(now, y.logp), 0.02, 10000))",
     "mean(dppo(r, advantage, binary_tv(now, y.logp), 0.02))"),
    ("DPPO on the ratio's distance from 1 is the clip", "mean(dppo(r, advantage, abs(r - 1), 0.2))",
     "mean(clipped(r, advantage, 0.8 .. 1.2))"),
    ("the two-sided clip with a high cap is the dual clip", "mean(two_sided_clipped(r, advantage, 0.9 .. 1.1, 1.2))",
     "mean(dual_clipped(r, advantage, 0.9 .. 1.1, 1.2))"),
    ("GSPO by tokens is GSPO", f"sequence_mean(gspo_token(now, d, advantage, {TIGHT}))", f"mean(gspo(d, advantage, {TIGHT}))"),
    ("GMPO without a cut is GSPO without one", f"mean(gmpo(d, advantage, {WIDE}))", f"mean(gspo(d, advantage, {WIDE}))"),
    ("VESPO of power 1 and rate 0 is the product ratio", "mean(vespo(sum(now, per: sample), whole, advantage, 1, 0, 1, 0))",
     "mean(product_ratio(d) * advantage)"),
    ("VESPO of power 0 and rate 0 is REINFORCE", "mean(vespo(now, whole, advantage, 0, 0, 0, 0))", "mean(advantage * now)"),
    ("KL-Cov of weight 0 is the weighted ratio", "mean(kl_cov(d, advantage, covariance(now, advantage), 0.2, 0))",
     "mean(r * advantage)"),
    ("Clip-Cov with an empty window is the clip",
     f"mean(clip_cov(r, advantage, {TIGHT}, covariance(now, advantage), 1000 .. 1001, 0.5, 0 * y.logp))",
     f"mean(clipped(r, advantage, {TIGHT}))"),
    ("all tokens are the forking tokens of share 1",
     "mean(clipped(r, advantage, 0.8 .. 1.2), where: forking_tokens(entropy(actor, y), 1))",
     "mean(clipped(r, advantage, 0.8 .. 1.2))"),
    ("a share of 1 by number is all", "mean(now, where: top_share(now, 1, per: batch))", "mean(now)"),
    ("positive and negative reinforcement add up", "mean(psr(correct) * now) + mean(nsr(correct) * now)",
     "mean(by_outcome(correct, 1, 1) * now)"),
]


@pytest.mark.wide(1)
@pytest.mark.parametrize(("one", "other"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_off_policy_one_is_the_other(one: str, other: str, scene: Scene) -> None:
    assert apart(one, other, scene) <= CLOSE


def test_of_answers_of_one_token_gmpo_and_gspo_are_the_token_clip() -> None:
    single = scene_of(form("maximize a: mean(r)").spec, seed=6, shape=equal(3, 3, 1))
    wanted = f"mean(clipped(r, advantage, {TIGHT}))"
    for name in ("gspo", "gmpo", "luspo"):
        assert apart(f"mean({name}(d, advantage, {TIGHT}))", wanted, single) <= CLOSE


def test_where_all_answers_are_as_long_luspo_is_gspo_times_the_length() -> None:
    even = scene_of(form("maximize a: mean(r)").spec, seed=6, shape=equal(2, 3, 4))
    assert apart(f"mean(luspo(d, advantage, {TIGHT}))", f"4 * mean(gspo(d, advantage, {TIGHT}))", even) <= CLOSE
    ragged = scene_of(form("maximize a: mean(r)").spec, seed=6, shape=Shape((3, 3), (4, 2, 1, 4, 3, 2)))
    assert apart(f"mean(luspo(d, advantage, {TIGHT}))", f"4 * mean(gspo(d, advantage, {TIGHT}))", ragged) > 1e-2


def test_a_cold_gate_of_sapo_is_no_gate(scene: Scene) -> None:
    """Its slope is `1 - (t (r - 1) / 2)^2 + …`; ratios of the scene lie within 3 of 1."""
    assert apart("mean(sapo(r, advantage, 0.0001, 0.0001))", "mean(r * advantage)", scene) <= 1e-7
    assert apart("mean(sapo(r, advantage, 1, 1.05))", "mean(r * advantage)", scene) > 1e-2


def test_the_loss_of_dro_is_its_surrogate_times_the_temperature(scene: Scene) -> None:
    loss = form("minimize a: mean(dro(whole, correct, 0.25, 0.3))")
    surrogate = form("maximize a: 0.3 * mean(dro_surrogate(sum(now, per: sample), whole, correct - 0.25, 0.3))")
    assert distance(outcome(loss, scene).gradients, outcome(surrogate, scene).gradients) <= CLOSE


def test_the_gradient_of_cispo_by_the_log_probability_is_the_capped_weight_times_the_advantage(scene: Scene) -> None:
    """By the logits `w A (1[j = y] - p_j) / tokens`, worked out from the scene's own numbers."""
    found = outcome(form("maximize a: mean(cispo(now, r, advantage, 0.9 .. 1.1))"), scene)
    logits = scene["states", "actor", CURRENT, "y"]
    chosen = torch.nn.functional.one_hot(scene["targets", "y"], logits.shape[1])
    logp = torch.log_softmax(logits, -1)
    weight = torch.exp((logp * chosen).sum(1) - scene["logp", "y"]).clamp(0.9, 1.1)
    advantage = torch.from_numpy(found.inputs["advantage"])[scene.layout.owners("y.token", "y.sample")]
    wanted = -(weight * advantage)[:, None] * (chosen - logp.exp()) / len(logits)
    assert distance(found.gradients, {("states", "actor", CURRENT, "y"): wanted}) <= CLOSE


# ------------------------------------------------------------------ on average
def expected(terms: str) -> torch.Tensor:
    """The gradient by the logits after each prefix, over all answers of two tokens."""
    answers, prefixes = all_answers()
    by_token = outcome(form(terms), answers).gradients["states", "actor", CURRENT, "y"]
    return torch.zeros(PREFIXES, VOCABULARY, dtype=torch.float64).index_add_(0, prefixes, by_token)


OWN = WEIGHT + "maximize a: sum(w * correct * sum(now, per: sample))"


@pytest.mark.parametrize("surrogate", [
    "weighted_reinforce(sum(now, per: sample), product_ratio(d), correct)",
    "unclipped(product_ratio(d), correct)",
    "vespo(sum(now, per: sample), whole, correct, 1, 0, 1, 0)",
])
def test_the_weight_of_the_whole_answer_is_exact(surrogate: str) -> None:
    assert same(expected(SAMPLER + f"maximize a: sum(w * {surrogate})"), expected(OWN))


@pytest.mark.parametrize("surrogate", [
    "sum(weighted_reinforce(now, r, correct), per: sample)",
    "weighted_reinforce(sum(now, per: sample), truncated(product_ratio(d), 1.5), correct)",
    "topr(sum(now, per: sample), whole, correct)",
])
def test_weights_of_tokens_truncation_and_tapering_are_biased(surrogate: str) -> None:
    assert not same(expected(SAMPLER + f"maximize a: sum(w * {surrogate})"), expected(OWN))


def test_the_sampled_entropy_has_the_gradient_of_the_exact_one_on_average() -> None:
    found = expected(WEIGHT + "maximize a: sum(w * sampled_entropy(now))")
    assert same(found, expected(WEIGHT + "maximize a: sum(w * entropy(actor, y))"))

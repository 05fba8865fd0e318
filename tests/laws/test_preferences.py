"""Preference and distillation losses of the library against softmax sums of the scene's own logits, and against each other.

What takes numbers alone is tested in the library itself; here is what reads models, and what holds of gradients by logits.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rldsl.types import Version
from tests.laws.scenes import Law, Outcome, Scene, distance, law, outcome, scene_of
from tests.laws.test_expectations import CURRENT, PREFIXES, WEIGHT, all_answers, same, tables

HEAD = """
import std.preference (dpo, dpo_mean, implicit_reward, ipo, ipo_mean, mean_implicit_reward, robust_dpo)
import std.anchored (apo_zero)
import std.preference_score (alpha_score, forward_kl_score, length_desensitized, log_collision, wpo_weight)
import std.unpaired (bco, bco_shift, kto, kto_baseline)
import std.reference_free (average_log_p, cpo, cpo_token_mean, odds_ratio, orpo, orpo_token_mean, simpo, sum_log_p, tpo_token_mean)
import std.divergence (k1, k2)
import std.regression (copg_group, regularized_reward)
import std.supervised (dft, nll_sequence_mean, nll_token_mean)
import std.distillation (forward_kl, jensen_shannon, on_policy_distillation, reverse_kl, sampled_generalized_jsd)
import std.transport (aot, aot_unpaired)
import std.pairing (is_apart, of_best, of_worst)
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  other: Text  chosen: Text  rejected: Text  liked: Bool }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
reward correct = verify.equal(y.text, problems.answer)
reward total = text.matching_places(y.text, problems.answer)
"""
MARGIN = "let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)  "
MEANS = "let chosen = average_log_p(actor, win)  let rejected = average_log_p(actor, lose)  "
SUMS = "let chosen = sum_log_p(actor, win)  let rejected = sum_log_p(actor, lose)  "
LIKED = "let d = implicit_reward(actor, ref, win)  "
ONLINE = "let s = implicit_reward(actor, ref, y)  "


# Reads all that any body below reads, so that one scene serves them all.
EVERYTHING = """minimize a: mean(dpo(implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose), 1), where: pairs.liked)
  minimize b: mean(k1(actor, ref, y))"""
SEEDS = range(3)


def spec(body: str) -> Law:
    """A spec with one objective."""
    return law(f"{HEAD}objective main for actor {{\n  {body}\n}}\n")


def scene(seed: int) -> Scene:
    """Random numbers for any body."""
    return scene_of(spec(EVERYTHING).spec, seed)


def told(body: str, seed: int = 0) -> Outcome:
    """Loss and gradients on such numbers."""
    return outcome(spec(body), scene(seed))


def agree(one: str, other: str, *, value: bool = True) -> None:
    """Two objectives are the same in gradient, and in value unless only gradients are meant."""
    for seed in SEEDS:
        found, wanted = told(one, seed), told(other, seed)
        assert distance(found.gradients, wanted.gradients) < 1e-13
        assert max(float(part.norm()) for part in wanted.gradients.values()) > 1e-3
        assert not value or found.values["loss"] == pytest.approx(wanted.values["loss"], rel=1e-12)


def log_p(found: Scene, model: str, version: Version, response: str, temperature: float = 1.0) -> Tensor:
    """Log-softmax of the scene's logits, one row a token."""
    return torch.log_softmax(found["states", model, version.value, response] / temperature, -1)


def by_answer(found: Scene, response: str, values: Tensor) -> list[Tensor]:
    """Values of tokens, cut into answers."""
    bounds = found.layout.offsets[found.columns["targets", response].axis]
    return [values[low:high] for low, high in zip(bounds[:-1], bounds[1:], strict=True)]


def chosen(found: Scene, response: str, rows: Tensor) -> list[Tensor]:
    """The values of the answers' own tokens."""
    return by_answer(found, response, rows.gather(1, found["targets", response][:, None])[:, 0])


# ------------------------------------------------------------------ DPO and its kin
def test_the_gradient_of_dpo_is_that_of_its_implicit_reward() -> None:
    """Weighted by how wrong the margin is."""
    agree(MARGIN + "minimize a: mean(dpo(margin, 0.3))",
          MARGIN + "maximize a: mean(frozen(0.3 * sigmoid(-0.3 * margin)) * margin)", value=False)


def test_dpo_against_oneself_costs_ln_2_and_follows_half_of_beta_times_the_margin() -> None:
    """The reference's logits are those of the policy."""
    own = scene(0)
    level = own.having({("states", "ref", Version.FROZEN.value, response): own["states", "actor", CURRENT, response]
                        for response in ("win", "lose")})
    found = outcome(spec(MARGIN + "minimize a: mean(dpo(margin, 0.3))"), level)
    wanted = outcome(spec(MARGIN + "maximize a: 0.15 * mean(margin)"), level)
    assert found.values["loss"] == pytest.approx(math.log(2), rel=1e-14)
    assert distance(found.gradients, wanted.gradients) < 1e-14


@pytest.mark.parametrize("other", ["robust_dpo(margin, 0.3, 0)", "dpo_mean(margin, 0, 0.3)"])
def test_losses_that_generalise_dpo_are_dpo_at_their_special_value(other: str) -> None:
    agree(MARGIN + f"minimize a: mean({other})", MARGIN + "minimize a: mean(dpo(margin, 0.3))")


def test_ipo_over_tokens_is_ipo_of_means_and_not_of_sums() -> None:
    """Answers of the scene differ in length."""
    means = "ipo_mean(mean_implicit_reward(actor, ref, win), mean_implicit_reward(actor, ref, lose), 0.3)"
    sums = "implicit_reward(actor, ref, win) / win.length - implicit_reward(actor, ref, lose) / lose.length"
    agree(f"minimize a: mean({means})", f"minimize a: mean(ipo({sums}, 0.3))")
    other = told(MARGIN + "minimize a: mean(ipo(margin, 0.3))")
    assert told(f"minimize a: mean({means})").values["loss"] != pytest.approx(other.values["loss"], rel=0.01)


def test_the_implicit_reward_is_the_sum_of_log_ratios() -> None:
    found = scene(1)
    margins = [float(one.sum() - other.sum()) for one, other in zip(
        *(chosen(found, response, log_p(found, "actor", Version.CURRENT, response) - log_p(found, "ref", Version.FROZEN, response))
          for response in ("win", "lose")), strict=True)]
    wanted = sum(math.log1p(math.exp(-0.3 * margin)) for margin in margins) / len(margins)
    assert told(MARGIN + "minimize a: mean(dpo(margin, 0.3))", 1).values["loss"] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("body", "signs"), [
    ("""let m = sum(logp(actor, win), per: sample) - sum(logp(actor, lose), per: sample)
     let r = sum(logp(ref, win), per: sample) - sum(logp(ref, lose), per: sample)
     minimize a: mean(aot(m, r, 0.3, 0))""", ((1, -1, 0, 0), (0, 0, 1, -1))),
    ("minimize a: mean(aot_unpaired(implicit_reward(actor, ref, win), implicit_reward(actor, ref, lose), 0.3, 0))",
     ((1, 0, -1, 0), (0, 1, 0, -1)))])
def test_aot_compares_what_is_sorted(body: str, signs: tuple[tuple[int, ...], ...], seed: int) -> None:
    """By torch's own sort; sums of actor's win and lose and ref's win and lose, by these signs on either side."""
    found = scene(seed)
    leaves = {(model, response): found["states", model, version.value, response].clone().requires_grad_()
              for model, version in (("actor", Version.CURRENT), ("ref", Version.FROZEN)) for response in ("win", "lose")}
    sums = [torch.stack([part.sum() for part in chosen(found, response, torch.log_softmax(leaf, -1))])
            for (_, response), leaf in leaves.items()]
    left, right = (torch.stack([sign * part for sign, part in zip(side, sums, strict=True)]).sum(0) for side in signs)
    loss = torch.nn.functional.softplus(-0.3 * (left.sort().values - right.sort().values)).mean()
    loss.backward()
    told_of = told(body, seed)
    assert told_of.values["loss"] == pytest.approx(float(loss.detach()), rel=1e-12)
    for response in ("win", "lose"):
        wanted = leaves["actor", response].grad
        assert wanted is not None
        assert torch.allclose(told_of.gradients["states", "actor", CURRENT, response], wanted, rtol=1e-12, atol=1e-15)


# ------------------------------------------------------------------ scores and weights
def test_the_weight_of_a_pair_is_how_likely_its_tokens_are_against_the_policys_own() -> None:
    found = scene(0)
    rows = log_p(found, "actor", Version.CURRENT, "win")
    aligned = rows - rows.exp().square().sum(1).log()[:, None]
    wanted = sum(float(part.mean().exp()) for part in chosen(found, "win", aligned)) / 3
    body = "maximize a: mean(wpo_weight(logp(actor, win), log_collision(actor, win)) * mean(logp(actor, lose), per: sample) ^ 0)"
    assert -told(body).values["loss"] == pytest.approx(wanted, rel=1e-12)


def test_length_desensitized_margins_are_dpo_at_weight_1_and_see_shared_tokens_alone_at_0() -> None:
    shared = "let shared = min(win.length, lose.length)  "
    margin = ("let margin = length_desensitized(k1(actor, ref, win), shared, {0})"
              " - length_desensitized(k1(actor, ref, lose), shared, {0})  ")
    agree(shared + margin.format(1) + "minimize a: mean(dpo(margin, 0.3))", MARGIN + "minimize a: mean(dpo(margin, 0.3))")
    found = told(shared + margin.format(0) + "minimize a: mean(dpo(margin, 0.3))")
    # lengths 2 3 1 and 4 1 2: of `win` the last two tokens of the second answer lie beyond
    rows = found.gradients["states", "actor", CURRENT, "win"].norm(dim=1)
    assert (rows > 0).tolist() == [True, True, True, False, False, True]


def test_scores_of_other_divergences_agree_with_the_log_ratio_where_policies_do() -> None:
    """To first order: the gradient at the reference."""
    own = scene(0)
    level = own.having({("states", "ref", Version.FROZEN.value, "win"): own["states", "actor", CURRENT, "win"]})
    wanted = outcome(spec(LIKED + "maximize a: mean(d)"), level)
    for score in ("forward_kl_score(d)", "alpha_score(d, 0.4)"):
        assert distance(outcome(spec(LIKED + f"maximize a: mean({score})"), level).gradients, wanted.gradients) < 1e-14


# ------------------------------------------------------------------ one answer at a time
def test_kto_reads_its_baseline_from_answers_to_other_prompts() -> None:
    """And no gradient flows through it: with a fixed baseline of the same size it is the same."""
    law_of = spec("""let d = implicit_reward(actor, ref, win)
      let z = kto_baseline(implicit_reward(actor, ref, win given pairs.other))
      minimize a: mean(kto(d, pairs.liked, z, 0.5, 1, 1.5))""")
    found = scene_of(law_of.spec, 13)  # whose baseline is not 0
    other = next(name[3] for name in found.states if name[3].startswith("win given"))
    drift = [float(part.sum()) for part in chosen_under(found, other)]
    baseline = max(0.0, sum(drift) / len(drift))
    assert baseline > 0.1
    fixed = spec(f"let d = implicit_reward(actor, ref, win)  minimize a: mean(kto(d, pairs.liked, {baseline!r}, 0.5, 1, 1.5))")
    one, two = outcome(law_of, found), outcome(fixed, found)
    assert one.values["loss"] == pytest.approx(two.values["loss"], rel=1e-12)
    assert distance(one.gradients, two.gradients) < 1e-12
    assert float(one.gradients["states", "actor", CURRENT, other].norm()) == 0


def chosen_under(found: Scene, text: str) -> list[Tensor]:
    """Log-ratios of the tokens of `win` as read in another context."""
    rows = log_p(found, "actor", Version.CURRENT, text) - log_p(found, "ref", Version.FROZEN, text)
    return chosen(found, "win", rows)


def test_bco_around_its_own_shift_is_a_cross_entropy_of_the_label() -> None:
    agree(LIKED + "minimize a: mean(bco(d, pairs.liked, bco_shift(0.5 * d, pairs.liked), 0.5))",
          LIKED + "let m = 0.5 * d - frozen((mean(0.5 * d, where: pairs.liked) + mean(0.5 * d, where: not pairs.liked)) / 2)"
          "  minimize a: mean(softplus(m) - where(pairs.liked, m, 0))")


# ------------------------------------------------------------------ without a reference
def test_cpo_is_dpo_under_a_uniform_reference_and_nll() -> None:
    agree(SUMS + "minimize a: mean(cpo(chosen, rejected, 0.2))",
          SUMS + "minimize a: mean(dpo(chosen - rejected, 0.2))  minimize b: -mean(chosen)")


@pytest.mark.parametrize(("found", "wanted"), [
    ("cpo_token_mean(actor, win, lose, 0.2, 0.7)",
     SUMS + "minimize a: mean(dpo(chosen - rejected, 0.2))  minimize b: -0.7 * mean(logp(actor, win))"),
    ("tpo_token_mean(actor, win, lose, win, 0.2, 0.7)",
     SUMS + "minimize a: mean(dpo(chosen - rejected, 0.2))  minimize b: -0.7 * mean(logp(actor, win))"),
    ("orpo_token_mean(actor, win, lose, 0.3)",
     MEANS + "minimize a: 0.3 * mean(odds_ratio(chosen, rejected))  minimize b: -mean(logp(actor, win))")])
def test_trainers_average_the_likelihood_over_tokens_and_the_preference_over_pairs(found: str, wanted: str) -> None:
    agree(f"minimize a: {found}", wanted)


def test_simpo_is_dpo_of_means_without_a_reference_and_target() -> None:
    agree(MEANS + "minimize a: mean(simpo(chosen, rejected, 2, 0))", MEANS + "minimize a: mean(dpo(chosen - rejected, 2))")


def test_the_papers_average_both_over_pairs() -> None:
    """Which is another number where answers differ in length."""
    found = told(MEANS + "minimize a: mean(orpo(chosen, rejected, 0.3))").values["loss"]
    assert found != pytest.approx(told("minimize a: orpo_token_mean(actor, win, lose, 0.3)").values["loss"], rel=0.01)


def test_orpo_of_probabilities_is_what_the_paper_writes() -> None:
    """In probabilities, whose odds are p / (1 - p)."""
    found = scene(2)
    p, q = ([float(part.mean().exp()) for part in chosen(found, response, log_p(found, "actor", Version.CURRENT, response))]
            for response in ("win", "lose"))
    loss = [-math.log(a) + 0.25 * math.log1p((b / (1 - b)) / (a / (1 - a))) for a, b in zip(p, q, strict=True)]
    assert told(MEANS + "minimize a: mean(orpo(chosen, rejected, 0.25))", 2).values["loss"] == pytest.approx(
        sum(loss) / 3, rel=1e-12)


# ------------------------------------------------------------------ regression, pairs out of groups
def test_copg_over_a_group_follows_the_leave_one_out_policy_gradient() -> None:
    """Twice beta times it, of the regularised rewards; in a prompt of one sample there is nothing to compare."""
    agree(ONLINE + "minimize a: sum(copg_group(regularized_reward(total, s, 0.3)))",
          ONLINE + "let r = frozen(total - 0.3 * s)  maximize a: sum(0.6 * frozen(r - others_mean(r, per: prompt)) * s)",
          value=False)


def test_the_best_and_the_worst_of_a_rollout_make_a_pair() -> None:
    body = ONLINE + ("let margin = of_best(s, total, per: prompt) - of_worst(s, total, per: prompt)"
                     "  minimize a: mean(dpo(margin, 0.3), where: is_apart(total, 0, per: prompt))")
    found = told(body)
    read = scene(0)
    rows = log_p(read, "actor", Version.CURRENT, "y") - log_p(read, "ref", Version.FROZEN, "y")
    score = read["reward", "text.matching_places", "y.sample"].tolist()
    reward = [float(part.sum()) for part in chosen(read, "y", rows)]
    losses = []
    for group in (range(4), range(4, 5), range(5, 8)):
        best, worst = (pick(group, key=lambda place: score[place]) for pick in (max, min))
        if score[best] > score[worst]:
            losses.append(math.log1p(math.exp(-0.3 * (reward[best] - reward[worst]))))
    assert len(losses) == 2
    assert found.values["loss"] == pytest.approx(sum(losses) / 2, rel=1e-12)


# ------------------------------------------------------------------ supervised, distillation
def test_by_tokens_long_answers_weigh_more_and_by_sequences_all_the_same() -> None:
    found = scene(0)
    answers = chosen(found, "win", log_p(found, "actor", Version.CURRENT, "win"))
    assert told("minimize a: nll_token_mean(actor, win)").values["loss"] == pytest.approx(
        -float(torch.cat(answers).mean()), rel=1e-12)
    assert told("minimize a: nll_sequence_mean(actor, win)").values["loss"] == pytest.approx(
        -sum(float(answer.mean()) for answer in answers) / 3, rel=1e-12)


def test_dft_climbs_the_probability_itself() -> None:
    agree("minimize a: mean(dft(logp(actor, win)))", "maximize a: mean(exp(logp(actor, win)))", value=False)


@pytest.mark.parametrize(("name", "direction"), [("forward_kl", 1), ("reverse_kl", -1)])
@pytest.mark.parametrize("temperature", [1, 2])
def test_distillation_is_the_divergence_of_the_softened_distributions(name: str, direction: int, temperature: int) -> None:
    found = scene(0)
    teacher, student = (log_p(found, model, version, "win", temperature)
                        for model, version in (("ref", Version.FROZEN), ("actor", Version.CURRENT)))
    p, q = (teacher, student)[::direction]
    wanted = float((p.exp() * (p - q)).sum(1).mean())
    told_of = told(f"minimize a: mean({name}(ref, actor, win, {temperature}))")
    assert told_of.values["loss"] == pytest.approx(wanted, rel=1e-12)
    again = found.having({("states", "ref", Version.FROZEN.value, "win"): found["states", "actor", CURRENT, "win"]})
    still = outcome(spec(f"minimize a: mean({name}(ref, actor, win, {temperature}))"), again)
    assert float(still.gradients["states", "actor", CURRENT, "win"].norm()) < 1e-15


def expected(body: str, seed: int) -> Tensor:
    """The gradient over all answers, each weighted by its probability, by the logits after each beginning."""
    found, prefixes = all_answers(seed)
    by_token = outcome(spec(WEIGHT + body), found).gradients["states", "actor", CURRENT, "y"]
    return torch.zeros(PREFIXES, by_token.shape[1], dtype=torch.float64).index_add_(0, prefixes, by_token)


@pytest.mark.parametrize("seed", range(3))
def test_distilling_from_sampled_tokens_follows_the_exact_reverse_kl_of_each(seed: int) -> None:
    sampled = expected("minimize a: sum(w * on_policy_distillation(logp(actor, y), logp(ref, y), 0))", seed)
    assert same(sampled, expected("minimize a: sum(w * reverse_kl(ref, actor, y, 1))", seed))
    assert same(sampled, expected("minimize a: sum(w * k2(actor, ref, y))", seed))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_generalized_divergence_of_samples_follows_the_exact_one(share: float, seed: int) -> None:
    """Value and gradient, by sums over the vocabulary after each beginning; at an even share the language's own."""
    body = f"minimize a: sum(w * sampled_generalized_jsd(k1(actor, ref, y), {share}))"
    policy, teacher, _ = tables(seed)
    live = policy.clone().requires_grad_()
    s, t = torch.log_softmax(live, -1), torch.log_softmax(teacher, -1)
    m = torch.logaddexp(t + math.log(share), s + math.log1p(-share))
    each = share * (t.exp() * (t - m)).sum(1) + (1 - share) * (s.exp() * (s - m)).sum(1)
    reached = torch.cat([torch.ones(1, dtype=torch.float64), s[0].exp().detach()])  # how probable each beginning is
    loss = (reached * each).sum()
    loss.backward()
    assert live.grad is not None
    assert outcome(spec(WEIGHT + body), all_answers(seed)[0]).values["loss"] == pytest.approx(float(loss.detach()), rel=1e-12)
    assert same(expected(body, seed), live.grad)
    exact = expected("minimize a: sum(w * jensen_shannon(ref, actor, y, 1))", seed)
    assert same(exact, live.grad) == (share == 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_with_what_follows_it_is_the_reverse_kl_of_whole_answers(seed: int) -> None:
    """The score of the answer times its log-ratio, which has the same expectation."""
    found = expected("minimize a: sum(w * on_policy_distillation(logp(actor, y), logp(ref, y), 1))", seed)
    wanted = expected("let r = frozen(sum(k1(actor, ref, y), per: sample))"
                      "  minimize a: sum(w * r * sum(logp(actor, y), per: sample))", seed)
    assert same(found, wanted)
    assert not same(found, expected("minimize a: sum(w * on_policy_distillation(logp(actor, y), logp(ref, y), 0))", seed))

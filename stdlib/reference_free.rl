## Preference losses without a reference policy. `chosen` and `rejected` are log-probabilities of the two answers, nats @
## sample: sums over tokens, or means where a function says so.

import std.preference (dpo)
import std.supervised (log_complement, nll_token_mean)

## Log-probability of an answer, nats @ sample.
fn sum_log_p(p: Policy, y: Response) -> Real @ sample = sum(logp(p, y), per: sample)

## Log-probability of an answer for each of its tokens, nats per token @ sample.
fn average_log_p(p: Policy, y: Response) -> Real @ sample = mean(logp(p, y), per: sample)

## `log(p / (1 - p))` of the mean log-probability of an answer, p being the geometric mean of its tokens. Nats.
## Hong et al. 2024, "ORPO: Monolithic Preference Optimization without Reference Model", equation 4.
fn log_odds(mean_log_p: Real) -> Real = mean_log_p - log_complement(mean_log_p)

## `-log sigmoid(log_odds(chosen) - log_odds(rejected))`, of mean log-probabilities. Ibid., equation 7.
fn odds_ratio(chosen: Real, rejected: Real) -> Real = dpo(log_odds(chosen) - log_odds(rejected), 1)

## NLL of the chosen answer and `weight` times the odds ratio loss, of mean log-probabilities; the paper's weight is 0.1 to
## 0.25. Ibid., equation 6. Every chosen answer counts the same in the NLL; `orpo_token_mean` is the other form.
fn orpo(chosen: Real, rejected: Real, weight: Real) -> Real =
  weight * odds_ratio(chosen, rejected) - chosen

## `orpo` averaged over the update batch as trainers do it: every chosen token counts the same in the NLL. TRL's NLL has the
## tokens of the prompts in its mean as well.
fn orpo_token_mean(p: Policy, win: Response, lose: Response, weight: Real) -> Real =
  nll_token_mean(p, win) + weight * mean(odds_ratio(average_log_p(p, win), average_log_p(p, lose)))

## `-log sigmoid(beta (chosen - rejected)) - chosen`, of summed log-probabilities: DPO with a uniform reference, and NLL.
## Xu et al. 2024, "Contrastive Preference Optimization".
fn cpo(chosen: Real, rejected: Real, beta: Real) -> Real = dpo(chosen - rejected, beta) - chosen

## `cpo` averaged over the update batch as TRL does it: the NLL is a mean over all chosen tokens, times `weight`, TRL's
## `cpo_alpha`.
fn cpo_token_mean(p: Policy, win: Response, lose: Response, beta: Real, weight: Real) -> Real =
  mean(dpo(sum_log_p(p, win) - sum_log_p(p, lose), beta)) + weight * nll_token_mean(p, win)

## `-log sigmoid(beta (chosen - rejected) - target)`, of mean log-probabilities; beta is 2 to 2.5, the target margin 0.3 to
## 1.6. Meng et al. 2024, "SimPO: Simple Preference Optimization with a Reference-Free Reward", equation 6. TRL (`cpo`, loss
## `simpo`) adds NLL unless its `cpo_alpha` is 0; its `simpo_gamma` is `target`.
fn simpo(chosen: Real, rejected: Real, beta: Real, target: Real) -> Real =
  -log_sigmoid(beta * (chosen - rejected) - target)

## The reward of AlphaPO, `(1 - p^-alpha) / alpha` of the geometric mean p of an answer; its limit at alpha 0 is the mean
## log-probability, of which it takes the place in SimPO. `alpha` is not 0.
fn alphapo_reward(mean_log_p: Real, alpha: Real) -> Real = -expm1(-alpha * mean_log_p) / alpha

## SimPO with the reward shaped by alpha, of mean log-probabilities. Gupta et al. 2025, "AlphaPO: Reward Shape Matters for
## LLM Alignment". TRL: `cpo` with loss `alphapo`; its `alpha` shapes its other losses too: `dpo` of `alphapo_reward`s.
fn alphapo(chosen: Real, rejected: Real, alpha: Real, beta: Real, target: Real) -> Real =
  simpo(alphapo_reward(chosen, alpha), alphapo_reward(rejected, alpha), beta, target)

## Three answers to a prompt: `-log sigmoid(beta (chosen - rejected)) - weight * gold`, of summed log-probabilities, `gold`
## that of the best one. Saeidi et al. 2024, "Triple Preference Optimization".
fn tpo(chosen: Real, rejected: Real, gold: Real, beta: Real, weight: Real) -> Real =
  dpo(chosen - rejected, beta) - weight * gold

## `tpo` averaged over the update batch as TRL does it: the NLL is a mean over all tokens of the best answers.
fn tpo_token_mean(
  p: Policy,
  win: Response,
  lose: Response,
  best: Response,
  beta: Real,
  weight: Real
) -> Real =
  mean(dpo(sum_log_p(p, win) - sum_log_p(p, lose), beta)) + weight * nll_token_mean(p, best)

## `tpo` of mean log-probabilities, with a target margin as in SimPO. Ibid. (TPO-L). TRL (`tpo-l`) averages the NLL over all
## tokens: `simpo`, and `weight * nll_token_mean(…)`.
fn tpo_l(chosen: Real, rejected: Real, gold: Real, beta: Real, target: Real, weight: Real) -> Real =
  simpo(chosen, rejected, beta, target) - weight * gold

## The score of a segment in CPL: `alpha sum_t discount^t log p_t`. Hejna et al. 2023, "Contrastive Preference Learning".
## Its code leaves the discount out, which is a discount of 1; with `k1(actor, ref, y)` for the log-probability it is
## CPL-KL.
fn segment_score(log_p: Real @ token, alpha: Real, discount: Real) -> Real @ sample =
  alpha * sum(discount ^ position(log_p) * log_p, per: sample)

## `-log sigmoid(preferred - bias * other)` of the scores of two segments, bias in (0, 1]; below 1 it keeps to the data.
## Ibid.
fn cpl(preferred: Real, other: Real, bias: Real) -> Real = -log_sigmoid(preferred - bias * other)

test "the log-odds of one half are 0, of one fifth -ln 4" {
  let m = live([-0.6931471806, -1.6094379124] @ sample)
  expect log_odds(m) == [0, -1.3862943611] within 1e-9
  # 1 / (1 - p)
  expect gradient(sum(log_odds(m)), of: m) == [2, 1.25] within 1e-9
}

test "odds of 1 and 1/4 cost ln 5/4, and ORPO adds ln 2 for the chosen answer" {
  # -log sigmoid(ln 4) = ln 1.25; 0.6931471806 + 0.1 * 0.2231435513
  expect odds_ratio(-0.6931471806, -1.6094379124) == 0.2231435513 within 1e-9
  expect orpo(-0.6931471806, -1.6094379124, 0.1) == 0.7154615357 within 1e-9
}

test "improbable answers have finite odds" {
  expect log_odds(-5000) == -5000 within 1e-9
}

test "CPO is DPO of log-probabilities and NLL" {
  # ln(1 + exp(-0.1 * 10)) + 20; by chosen -0.1 sigmoid(-1) - 1
  let chosen = live([-20] @ sample)
  expect cpo(chosen, -30, 0.1) == [20.3132616875] within 1e-9
  expect gradient(sum(cpo(chosen, -30, 0.1)), of: chosen) == [-1.0268941421] within 1e-9
}

test "SimPO at its target margin costs ln 2" {
  # 2 * (-0.5 + 1) = 1
  expect simpo(-0.5, -1, 2, 1) == 0.6931471806 within 1e-9
  expect simpo(-0.5, -1, 2, 0) == dpo(0.5, 2) within 1e-12
}

test "AlphaPO's reward of p = 1/4 is -2 at alpha 1/2, -3 at 1, and near 0 the log" {
  # alpha 1/2: (1 - 2) / (1/2) = -2; alpha 1: 1 - 4 = -3
  let m = -1.3862943611198906
  expect alphapo_reward(m, 0.5) == -2 within 1e-12
  expect alphapo_reward(m, 1) == -3 within 1e-12
  expect alphapo_reward(m, 0.00000001) == m within 1e-6
}

test "AlphaPO near alpha 0 is SimPO" {
  let chosen = live([-0.5, -2] @ sample)
  let shaped = alphapo(chosen, -1, 0.00000001, 2.5, 0.1)
  let plain = simpo(chosen, -1, 2.5, 0.1)
  expect shaped == plain within 1e-6
  expect gradient(sum(shaped), of: chosen) == gradient(sum(plain), of: chosen) within 1e-6
}

test "AlphaPO of p = 1/4 and 1/16 at alpha 1/2" {
  # rewards -2 and -6: ln(1 + exp(-(0.25 * 4 - 0.5)))
  expect alphapo(-1.3862943611, -2.7725887222, 0.5, 0.25, 0.5) == 0.4740769842 within 1e-8
}

test "TPO is CPO whose NLL is of a third answer" {
  expect tpo(-20, -30, -20, 0.1, 1) == cpo(-20, -30, 0.1) within 1e-12
  expect tpo(-20, -30, -8, 0.1, 0.5) == 4.3132616875 within 1e-9
  expect tpo_l(-0.5, -1, -0.2, 2, 1, 3) == 1.2931471806 within 1e-9
}

test "a discount of 1/2 halves each later token" {
  # 0.1 * (2 + 4 / 2 + 8 / 4)
  let log_p = [[-2, -4, -8]] @ token
  expect segment_score(log_p, 0.1, 0.5) == [-0.6] within 1e-12
  expect segment_score(log_p, 0.1, 1) == [-1.4] within 1e-12
}

test "CPL of scores -0.2 and -0.6, without bias and with 1/2" {
  # ln(1 + exp(-0.4)), ln(1 + exp(-0.1))
  expect cpl(-0.2, -0.6, 1) == 0.5130152524 within 1e-9
  expect cpl(-0.2, -0.6, 0.5) == 0.6443966601 within 1e-9
}

test "equal segments cost ln 2 without bias" {
  let s = live([-3] @ sample)
  let t = live([-3] @ sample)
  expect cpl(s, t, 1) == [0.6931471806] within 1e-9
  expect gradient(sum(cpl(s, t, 0.5)), of: t) == [0.4087872381] within 1e-9
}

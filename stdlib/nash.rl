## Preferences that need not come from a reward: win rates, and policies that are to win against themselves.
##
## A win rate is the probability, in [0, 1], that an answer is preferred to one of an opponent's. Log-ratios are summed,
## nats @ sample.

import std.preference (dpo, preference_cross_entropy)

## How far the log-ratio is from what the win rate asks for: `(log_ratio - eta (win_rate - 1/2))^2`, squared nats.
## `log_ratio` is against the policy that sampled, `win_rate` the share of its answers that this one wins against. Wu et al.
## 2024, "Self-Play Preference Optimization for Language Model Alignment" (SPPO), equation 4.7.
fn sppo(log_ratio: Real, win_rate: Real, eta: Real) -> Real =
  (log_ratio - eta * (win_rate - 1 / 2)) ^ 2

## SPPO of a pair of which one always wins and the other never: `(chosen - 1/(2 beta))^2 + (rejected + 1/(2 beta))^2`; beta
## is 1 / eta. TRL: `sppo_hard`.
fn sppo_hard(chosen: Real, rejected: Real, beta: Real) -> Real =
  sppo(chosen, 1, 1 / beta) + sppo(rejected, 0, 1 / beta)

## Direct Nash optimisation of a pair, `margin` against the policy that sampled: cross-entropy of the preference
## `sigmoid(gap)`, `gap` being the difference of the two answers' win rates against that policy, from `sigmoid(eta margin)`.
## Rosset et al. 2024, "Direct Nash Optimization". DNO-Prct, its practical form, is `dpo` over pairs that a judge keeps.
fn dno(margin: Real, gap: Real, eta: Real) -> Real =
  preference_cross_entropy(eta * margin, sigmoid(gap))

## `dno` averaged over all pairs of samples of a prompt: each sample against the others, of its log-ratio and its win rate.
## Absent where a prompt has one sample.
fn dno_group(log_ratio: Real @ sample, win_rate: Real @ sample, eta: Real) -> Real @ sample = {
  let rival = others(log_ratio, per: prompt)
  let gap = spread(win_rate, to: rival) - others(win_rate, per: prompt)
  mean(dno(spread(log_ratio, to: rival) - rival, gap, eta), per: sample)
}

## The win rate of each sample against the others of its prompt, where preferences do come from a score (Bradley-Terry):
## the mean of `sigmoid(score - other score)`. Absent where a prompt has one sample.
fn win_rates(score: Real @ sample) -> Real @ sample = {
  let rival = others(score, per: prompt)
  mean(sigmoid(spread(score, to: rival) - rival), per: sample)
}

## A policy gradient that follows the win rate and stays near a reference, to be minimised:
## `-(win_rate - 1/2 - tau log_ratio) log_p`, all of whole answers; no gradient flows through the bracket. The opponent is
## the geometric mixture of policy and reference. Munos et al. 2023, "Nash Learning from Human Feedback" (Nash-MD-PG).
fn nash_md(
  log_p: Real @ sample,
  log_ratio: Real @ sample,
  win_rate: Real,
  tau: Real
) -> Real @ sample = -frozen(win_rate - 1 / 2 - tau * log_ratio) * log_p

## `nash_md` as TRL had it, before it dropped the method: each token is held to the reference by its own log-ratio alone,
## `beta sum_t log_ratio_t log_p_t - (win_rate - 1/2) sum_t log_p_t`, which leaves out what later tokens cost.
fn nash_md_token(
  log_p: Real @ token,
  log_ratio: Real @ token,
  win_rate: Real,
  beta: Real
) -> Real @ sample = -sum(frozen(win_rate - 1 / 2 - beta * log_ratio) * log_p, per: sample)

## Online DPO that is optimistic about answers unlike the reference's: `-log sigmoid(beta margin) + alpha explored`, with
## the summed log-probability `explored` that the policy gives to an answer of the reference's. Of the pair, one answer is
## the policy's and one the reference's. Xie et al. 2024, "Exploratory Preference Optimization" (XPO). TRL had the same
## before it dropped the method.
fn xpo(margin: Real, beta: Real, explored: Real, alpha: Real) -> Real =
  dpo(margin, beta) + alpha * explored

test "SPPO asks an answer that wins 3 of 4 times for a quarter of eta" {
  let d = live([0.5, 0] @ sample)
  expect sppo(d, 0.75, 2) == [0, 0.25] within 1e-12
  expect gradient(sum(sppo(d, 0.75, 2)), of: d) == [0, -1] within 1e-12
}

test "SPPO of hard labels is least at 1 / (2 beta) on either side" {
  let chosen = live([5] @ sample)
  let rejected = live([-5] @ sample)
  let loss = sppo_hard(chosen, rejected, 0.1)
  expect loss == [0] within 1e-12
  expect gradient(sum(loss), of: chosen) == [0] within 1e-12
  expect gradient(sum(loss), of: rejected) == [0] within 1e-12
  expect sppo_hard(1, 2, 0.1) == 65 within 1e-9
}

test "DNO of a certain preference is DPO, and of even win rates does not move the policy that sampled" {
  # sigmoid(40) = 1 - 4e-18
  let m = live([1.5] @ sample)
  let still = live([0] @ sample)
  expect dno(m, 40, 0.4) == dpo(m, 0.4) within 1e-12
  expect gradient(sum(dno(still, 0, 0.4)), of: still) == [0] within 1e-12
}

test "DNO is least where eta times the margin is the gap" {
  # the entropy of sigmoid(0.5) = 0.6224593312
  let m = live([5] @ sample)
  expect dno(m, 0.5, 0.1) == [0.6628473186] within 1e-9
  expect gradient(sum(dno(m, 0.5, 0.1)), of: m) == [0] within 1e-12
}

test "over a group, DNO is the mean over its pairs" {
  # of three, each two: margins 1, 3, 2 and gaps 0.2, 0.5, 0.3; a prompt of one sample has none
  let d = live([[2, 1, -1], [5]] @ sample)
  let rate = [[0.7, 0.5, 0.2], [0.5]] @ sample
  let pairs = (dno(1, 0.2, 0.4) + dno(3, 0.5, 0.4) + dno(2, 0.3, 0.4)) / 3
  expect mean(dno_group(d, rate, 0.4)) == pairs within 1e-12
}

test "equal preferences in a circle leave a policy where it is" {
  let d = live([0, 0, 0] @ sample)
  let rate = [0.5, 0.5, 0.5] @ sample
  expect gradient(sum(dno_group(d, rate, 0.4)), of: d) == [0, 0, 0] within 1e-12
}

test "win rates of a group average one half" {
  # sigmoid(ln 3) = 3/4: the first wins 3/4 against each, the others 1/4 and 1/2
  let score = [[1.0986122887, 0, 0]] @ sample
  expect win_rates(score) == [0.75, 0.375, 0.375] within 1e-9
}

test "Nash-MD follows the win rate above one half, less the distance to the reference" {
  # 0.8 - 0.5 - 0.1 * 1 = 0.2
  let log_p = live([-7] @ sample)
  let loss = nash_md(log_p, log_p + 8, 0.8, 0.1)
  expect loss == [1.4] within 1e-12
  expect gradient(sum(loss), of: log_p) == [-0.2] within 1e-12
}

test "by tokens, each is held by its own distance" {
  # 0.3 - 0.1 * 1 and 0.3 - 0.1 * 3; as a whole 0.3 - 0.1 * 4 for both
  let log_p = live([[-2, -5]] @ token)
  let log_ratio = [[1, 3]] @ token
  let loss = nash_md_token(log_p, log_ratio, 0.8, 0.1)
  expect loss == [0.4] within 1e-12
  expect gradient(sum(loss), of: log_p) == [[-0.2, 0]] within 1e-12
  let whole = nash_md(sum(log_p, per: sample), sum(log_ratio, per: sample), 0.8, 0.1)
  expect gradient(sum(whole), of: log_p) == [[0.1, 0.1]] within 1e-12
}

test "XPO without optimism is DPO, and with it makes the reference's answer less likely" {
  let explored = live([-10] @ sample)
  expect xpo(1.5, 0.4, explored, 0) == [0.4374879504] within 1e-9
  expect gradient(sum(xpo(1.5, 0.4, explored, 0.001)), of: explored) == [0.001] within 1e-12
}

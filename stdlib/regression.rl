## Losses that regress log-ratios on rewards: no ratio of policies, no clip. Squared units of the reward.

import std.advantage (leave_one_out)

## Squared error of a pair: `(margin / eta - gap)^2`, `margin` the difference of two summed log-ratios against the policy
## that sampled, `gap` that of their rewards. Gao et al. 2024, "REBEL: Reinforcement Learning via Regressing Relative
## Rewards".
fn rebel(margin: Real, gap: Real, eta: Real) -> Real = (margin / eta - gap) ^ 2

## `rebel` averaged over all pairs of samples of a prompt: twice the variance, with n - 1, of `log_ratio / eta - reward`.
## Absent where a prompt has one sample.
fn rebel_group(log_ratio: Real @ sample, reward: Real @ sample, eta: Real) -> Real @ prompt =
  2 * var(log_ratio / eta - reward, per: prompt)

## The reward less what an answer's distance from the reference costs, `reward - beta log_ratio`: at the optimum of the
## KL-regularised problem it is the same for all answers to a prompt.
fn regularized_reward(reward: Real, log_ratio: Real, beta: Real) -> Real = reward - beta * log_ratio

## Contrastive policy gradient of a pair, `(gap - beta margin)^2 / (2 beta)`: the squared difference of two regularised
## rewards. Flet-Berliac et al. 2024, "Contrastive Policy Gradient" (CoPG). The two answers may come from any distributions.
fn copg(margin: Real, gap: Real, beta: Real) -> Real = (gap - beta * margin) ^ 2 / (2 * beta)

## CoPG over k samples of a prompt: `sum_{i > j} (R_i - R_j)^2 / (k - 1)` of the regularised rewards, which is k times their
## variance with n - 1; `regularized` is live. Its gradient pulls each answer by its leave-one-out advantage. Ibid.
fn copg_group(regularized: Real @ sample) -> Real @ prompt =
  count(regularized, per: prompt) * var(regularized, per: prompt)

## How probably statistical rejection sampling keeps a sample: `exp((reward - max) / beta)`, with the largest reward of the
## group; `let kept = first(y.uniform, per: sample) < rso_acceptance(reward, beta, per: prompt)`. Liu et al. 2023, "Statistical
## Rejection Sampling Improves Preference Optimization" (RSO), whose losses are `hinge` (hinge-norm) and `dpo` (sigmoid-norm).
## The paper draws until it has kept enough; here each sample is drawn once, against the maximum of all.
fn rso_acceptance(reward: Real, beta: Real, per: Level) -> Real =
  frozen(exp((reward - spread(max(reward, per: per), to: reward)) / beta))

test "REBEL is 0 where the margin is eta times the gap" {
  let m = live([0.25, 0] @ sample)
  expect rebel(m, 0.5, 0.5) == [0, 0.25] within 1e-12
  expect gradient(sum(rebel(m, 0.5, 0.5)), of: m) == [0, -2] within 1e-12
}

test "over a group, REBEL is the mean over its pairs" {
  # z = d / 0.5 - r = (-1, 0.4, 0): squares of differences 1.96, 1, 0.16; a pair and a single one after it
  let d = live([[0, 0.2, 0.5], [0.4, 0], [1]] @ sample)
  let r = [[1, 0, 1], [0, 0], [3]] @ sample
  expect (rebel_group(d, r, 0.5) else 7) == [1.04, 0.64, 7] within 1e-12
  # by the first: 2 / 0.5 times the mean of (-1.4, -1), over three unordered pairs of which two hold it
  expect gradient(sum(rebel_group(d, r, 0.5) else 0), of: d)
    == [[-3.2, 2.4, 0.8], [3.2, -3.2], [0]] within 1e-12
}

test "CoPG is 0 at the optimum of the regularised problem" {
  # two arms of reward 1 and 0, beta 1/2, a uniform reference: pi = sigmoid(2) = 0.8807970780
  let d = live([0.5662192, -1.4337808] @ sample)
  let best = regularized_reward([1, 0] @ sample, d, 0.5)
  expect copg_group(best) == [0] within 1e-9
  expect gradient(sum(copg_group(best)), of: d) == [0, 0] within 1e-9
  expect copg(2, 1, 0.5) == 0
}

test "CoPG of a constant gap of 1 is IPO, up to beta / 2" {
  # (1 - 0.5 m)^2 / 1 = 0.25 (m - 2)^2, and 2 = 1 / (2 * 0.25)
  let m = [0, 1, 3] @ sample
  expect copg(m, 1, 0.5) == [1, 0.25, 0.25] within 1e-12
}

test "over k samples, CoPG is the sum over pairs by k - 1" {
  # differences 1, 2, 1: (1 + 4 + 1) / 2
  let s = [1, 2, 3] @ sample
  expect copg_group(s) == [3] within 1e-12
}

test "the variances are sums over pairs" {
  let r = [1, 0, 0.5, 0] @ sample
  let d = live([0.1, -0.2, 0, 0.4] @ sample)
  let s = regularized_reward(r, d, 0.3)
  let rival = others(s, per: prompt)
  let apart = spread(s, to: rival) - rival
  let margin = spread(d, to: rival) - others(d, per: prompt)
  let gap = spread(r, to: rival) - others(r, per: prompt)
  # each pair stands there twice, and k - 1 is 3
  expect sum(copg_group(s)) == sum(apart ^ 2) / 6 within 1e-12
  expect gradient(sum(copg_group(s)), of: d) == gradient(sum(apart ^ 2) / 6, of: d) within 1e-12
  expect mean(rebel_group(d, r, 0.7)) == mean(rebel(margin, gap, 0.7)) within 1e-12
  expect gradient(mean(rebel_group(d, r, 0.7)), of: d)
    == gradient(mean(rebel(margin, gap, 0.7)), of: d) within 1e-12
}

test "CoPG's gradient is that of a policy gradient with the leave-one-out advantage" {
  let r = [1, 0, 0.5, 0] @ sample
  let d = live([0.1, -0.2, 0, 0.4] @ sample)
  let s = regularized_reward(r, d, 0.3)
  expect gradient(sum(copg_group(s)), of: d) == -0.6 * leave_one_out(s, per: prompt) within 1e-12
}

test "the best of a group is always kept, one that is worse by beta in e^-1 of all cases" {
  let r = live([2, 1.5, 1] @ sample)
  expect rso_acceptance(r, 0.5, per: prompt) == [1, 0.3678794412, 0.1353352832] within 1e-9
  expect gradient(sum(rso_acceptance(r, 0.5, per: prompt)), of: r) == [0, 0, 0]
}

## Advantages as published: what a method of the literature makes of the rewards of the answers to a prompt. One value per
## answer unless said otherwise; every token of the answer gets it. The parts they are made of are in `std.advantage`.
##
## Groups of one: deviations and the mean of the others are absent there, and an absent advantage counts for nothing. TRL does
## the same; verl's GRPO and RLOO keep the raw reward: `… else reward` (in GRPO over 1 + 1e-6). Where an advantage is centred alone
## it is 0 in a group of one, here and in TRL; verl keeps the reward: `where(count(x, per: prompt) > 1, centre(x, per: prompt), x)`.

import std.advantage (centre, leave_one_out, lower_quantile, normalize_each, whiten)
import std.returns (returns)

## `(reward - mean) / (std + guard)` of the prompt. Shao et al. 2024 (GRPO), section 4.1.2. Guards: TRL 1e-4, verl 1e-6.
fn grpo_advantage(reward: Real @ sample, guard: Real) -> Real @ sample =
  normalize(reward, per: prompt, guard: guard)

## GRPO with process rewards: those of all steps of the prompt's answers are normalised together, and each step gets the sum
## of its own and of all that follow. Shao et al. 2024, section 4.1.3.
fn process_advantage(reward: Real @ token, guard: Real) -> Real @ token =
  returns(normalize(reward, per: prompt, guard: guard), 1)

## `reward` minus the mean of the prompt's other answers. Ahmadian et al. 2024, "Back to Basics" (RLOO); the penalty for
## leaving the reference belongs into `reward`. TRL's `normalize_advantages` then normalises over the batch.
fn rloo_advantage(reward: Real @ sample) -> Real @ sample = leave_one_out(reward, per: prompt)

## `reward` minus that of the greedy answer to the same prompt, which is a rollout with `greedy: true, samples: 1`:
## `remax_advantage(correct, first(correct_greedy, per: prompt))`. Li et al. 2023, "ReMax".
fn remax_advantage(reward: Real @ sample, greedy: Real @ prompt) -> Real @ sample =
  reward - spread(greedy, to: reward)

## The baseline of the least variance if the score's size grows with the length: `reward - sum(length reward) / sum(length)`.
## Hao et al. 2025, "On-Policy RL with Optimal Reward Baseline" (OPO).
fn opo_advantage(reward: Real @ sample, length: Real @ sample) -> Real @ sample =
  reward - spread(sum(length * reward, per: prompt) / sum(length, per: prompt), to: reward)

## REINFORCE++: returns of a reward per token (the outcome at the last, less the penalty at each), whitened over all tokens of
## the batch: `at_last(correct, y) - 0.001 * k1(actor, ref, y)`. Hu 2025, "REINFORCE++". verl: guard 1e-8.
fn reinforce_plus_plus_advantage(
  reward: Real @ token,
  discount: Real,
  guard: Real
) -> Real @ token = whiten(returns(reward, discount), per: batch, guard: guard)

## REINFORCE++-baseline: centred by prompt, then whitened over the answers of the batch. Ibid.
fn reinforce_plus_plus_baseline_advantage(reward: Real @ sample, guard: Real) -> Real @ sample =
  whiten(centre(reward, per: prompt), per: batch, guard: guard)

## REINFORCE++-baseline as verl computes it: whitened over the tokens of the batch, so that a long answer counts more in the
## mean and the deviation. `like` is any value per token of the answers.
fn reinforce_plus_plus_baseline_token_advantage(
  reward: Real @ sample,
  like: Real @ token,
  guard: Real
) -> Real @ token = whiten(spread(centre(reward, per: prompt), to: like), per: batch, guard: guard)

## GDPO: each of any number of rewards is normalised by prompt, then their weighted sum over the batch, so that the one with the
## larger spread does not drown the others: `gdpo_advantage(each(correct, style, brief), each(1, 0.5, 0.5), 1e-4)`.
## Liu et al. 2026, "GDPO"; TRL: `multi_objective_aggregation="normalize_then_sum"`, guard 1e-4. verl whitens over tokens.
fn gdpo_advantage(rewards: Real @ member, weights: Real, guard: Real) -> Real @ sample =
  normalize(
    sum(weights * normalize_each(rewards, per: prompt, guard: guard), per: sample),
    per: batch,
    guard: guard
  )

## `(reward - mean) / mean` of the prompt, 0 where no answer succeeds. `reward` is 0 or 1. Before centring it is the mean score of
## the right answers alone, which with n answers is the gradient of the log-likelihood of success, its series in `pass_at(k) / k`
## cut after n terms. Tajwar et al. 2026, "Maximum Likelihood Reinforcement Learning". SkyRL adds 1e-6 to the
## mean, and keeps the reward of a lone answer.
fn maxrl_advantage(reward: Real @ sample) -> Real @ sample =
  where(mean(reward, per: prompt) > 0, centre(reward, per: prompt) / mean(reward, per: prompt), 0)

## `(reward - quantile) / (std + guard)` of the prompt: with 0 and 1, where at least the share `level` is wrong only the
## right answers count, elsewhere only the wrong ones. Wu et al. 2025, "Quantile Advantage Estimation"; level 0.4 there.
fn quantile_advantage(reward: Real @ sample, level: Real, guard: Real) -> Real @ sample =
  (reward - spread(lower_quantile(reward, level, per: prompt), to: reward))
  / (std(reward, per: prompt) + guard)

# ------------------------------------------------------------------ the best of k
## The advantage of the best of k answers, with `correct` 0 or 1 and `R = pass_at(k)` of the prompt: `(1 - R) / s` for a
## right answer, `-(1 - R) / s * right / wrong` for a wrong one, `s = sqrt(R (1 - R))`; 0 where R is 0 or 1. Absent for fewer
## than k answers. Chen et al. 2025, "Pass@k Training", the analytical form: its `C(wrong - 1, k - 1) / C(n - 1, k - 1)` is
## `(1 - R) n / wrong`. With k 1 it is GRPO with the population deviation.
fn pass_at_k_advantage(correct: Real @ sample, k: Real) -> Real @ sample = {
  let rate = pass_at(k, correct, per: prompt)
  let right = sum(correct, per: prompt)
  let wrong = sum(1 - correct, per: prompt)
  let size = sqrt((1 - rate) / rate)
  where(
    count(correct, per: prompt) < k,
    absent,
    where(right > 0 and wrong >= k, where(correct > 0, size, -size * right / wrong), 0)
  )
}

## The reward whose plain policy gradient is, without bias, that of `pass_at(k)`, with `correct` 0 or 1: `k / n` for a right
## answer, `k / n (1 - C(wrong - 1, k - 1) / C(n - 1, k - 1))` for a wrong one. It has no baseline yet.
## Walder and Karkhanis 2025, "Pass@K Policy Optimization", for binary rewards.
fn pass_at_k_reward(correct: Real @ sample, k: Real) -> Real @ sample = {
  let n = count(correct, per: prompt)
  let wrong = sum(1 - correct, per: prompt)
  let none = (1 - pass_at(k, correct, per: prompt)) * n / max(wrong, 1)  # that the other k - 1 are wrong
  where(correct > 0, k / n, k / n * (1 - none))
}

## The best answer of a prompt gets what it has over the second best, all others 0. Of ties the first. Tang et al. 2025,
## "Optimizing Language Models for Inference Time Objectives using Reinforcement Learning"; verl: `grpo_passk`, which may divide
## by `std + guard`.
fn best_over_second_advantage(reward: Real @ sample) -> Real @ sample =
  where(
    top(reward, 1, per: prompt),
    reward - spread(max(reward, per: prompt, where: not top(reward, 1, per: prompt)), to: reward),
    0
  )

# ------------------------------------------------------------------ process and outcome
## Returns of implicit process rewards less the mean of the other answers' (each answer's mean over its tokens), plus the
## leave-one-out outcome. Cui et al. 2025, "Process Reinforcement through Implicit Rewards" (PRIME).
fn prime_advantage(
  process: Real @ token,
  outcome: Real @ sample,
  discount: Real
) -> Real @ token = {
  let others = others_mean(mean(process, per: sample), per: prompt)
  returns(process - spread(others, to: process), discount)
    + spread(leave_one_out(outcome, per: prompt), to: process)
}

## PRIME's process part as its code in verl has it: `n / (n - 1)` times the token's reward less the mean of all answers' means,
## its own included.
fn prime_process_advantage_in_code(process: Real @ token, discount: Real) -> Real @ token = {
  let each = mean(process, per: sample)
  let n = count(each, per: prompt)
  returns((process - spread(mean(each, per: prompt), to: process)) * n / (n - 1), discount)
}

# ------------------------------------------------------------------ balance
## A weight that makes both classes of a group count the same: `n / (2 * size of its class)`, and 1 where there is one class.
## `label` is 0 or 1. Li et al. 2025 (PACS).
fn class_weight(label: Real, per: Level) -> Real = {
  let n = count(label, per: per)
  let ones = sum(label, per: per)
  where(ones * (n - ones) > 0, n / (2 * max(where(label > 0, ones, n - ones), 1)), 1)
}

test "GRPO centres and scales by prompt" {
  let x = [[1, 0], [3, 1]] @ sample
  expect grpo_advantage(x, 0)
    == [[0.7071067812, -0.7071067812], [0.7071067812, -0.7071067812]] within 1e-9
}

test "process rewards are normalised over all steps and added up from the end" {
  let x = [[1, 0], [1]] @ token
  # mean 2/3, deviation sqrt(1/3): 0.577, -1.155 and 0.577
  expect process_advantage(x, 0) == [[-0.5773502692, -1.1547005384], [0.5773502692]] within 1e-9
}

test "RLOO and ReMax subtract what others and the greedy answer got" {
  let x = [[1, 0], [1]] @ sample
  let greedy = [1, 0] @ prompt
  expect (rloo_advantage(x) else 0) == [[1, -1], [0]]
  expect remax_advantage(x, greedy) == [[0, -1], [1]]
}

test "OPO's baseline listens to long answers" {
  let x = [1, 0] @ sample
  let length = [1, 3] @ sample
  expect opo_advantage(x, length) == [0.75, -0.25] within 1e-12
  let same = [2, 2] @ sample
  expect opo_advantage(x, same) == centre(x, per: prompt) within 1e-12
}

test "REINFORCE++ whitens the returns of all tokens" {
  let r = [[[0, 1]], [[0]]] @ token
  # returns 1, 1 and 0: mean 2/3, variance 1/3
  expect reinforce_plus_plus_advantage(r, 1, 0)
    == [[[0.5773502692, 0.5773502692]], [[-1.1547005384]]] within 1e-9
}

test "REINFORCE++-baseline centres by prompt and scales over the batch, of answers or of tokens" {
  let x = [[1, 0], [1, 1]] @ sample
  # 1/2, -1/2, 0, 0: variance 1/6
  expect reinforce_plus_plus_baseline_advantage(x, 0)
    == [[1.2247448714, -1.2247448714], [0, 0]] within 1e-9
  let like = [[[0], [0, 0]], [[0], [0]]] @ token
  # 1/2, -1/2, -1/2, 0, 0: mean -0.1, variance 0.7 / 4
  expect reinforce_plus_plus_baseline_token_advantage(x, like, 0)
    == [
      [[1.4342743312], [-0.9561828875, -0.9561828875]],
      [[0.2390457219], [0.2390457219]]
    ] within 1e-9
}

test "GDPO: the range of a reward does not matter, its weight does" {
  let first = [1, 0] @ sample
  let second = [0, 10] @ sample
  # +-0.707 - 2 (+-0.707) = -+0.707, whose deviation is 1
  expect gdpo_advantage(each(first, second), each(1, 2), 0)
    == [-0.7071067812, 0.7071067812] within 1e-9
  expect gdpo_advantage(each(first, 0.1 * second), each(1, 2), 0)
    == [-0.7071067812, 0.7071067812] within 1e-9
  expect gdpo_advantage(each(first, second, 7), each(1, 2, 100), 1e-9)
    == [-0.7071067812, 0.7071067812] within 1e-8
}

test "MaxRL divides by the success rate" {
  let x = [[1, 0, 0, 0], [0, 0], [1, 1]] @ sample
  expect maxrl_advantage(x) == [[3, -1, -1, -1], [0, 0], [0, 0]]
}

test "a quantile baseline keeps the rare kind of answer alone" {
  let x = [[1, 0, 0, 0], [1, 1, 1, 0]] @ sample
  expect quantile_advantage(x, 0.4, 0) == [[2, 0, 0, 0], [0, 0, 0, -2]] within 1e-12
}

test "pass@k: one right answer of four" {
  let x = [[1, 0, 0, 0], [1, 1, 1, 1]] @ sample
  # k = 2: R = 1 - 3/6, s = 1/2; a wrong answer: (1/2 - 2/3) / (1/2)
  expect pass_at_k_advantage(x, 2)
    == [[1, -0.3333333333, -0.3333333333, -0.3333333333], [0, 0, 0, 0]] within 1e-9
  # k = 1: GRPO with the population deviation: 0.75 and -0.25 over sqrt(3)/4
  expect pass_at_k_advantage(x, 1)
    == [[1.7320508076, -0.5773502692, -0.5773502692, -0.5773502692], [0, 0, 0, 0]] within 1e-9
  # k / n, and 2/4 (1 - 2/3)
  expect pass_at_k_reward(x, 2)
    == [[0.5, 0.1666666667, 0.1666666667, 0.1666666667], [0.5, 0.5, 0.5, 0.5]] within 1e-9
}

test "a group of fewer than k answers says nothing of pass@k" {
  let x = [[1, 0, 0], [1]] @ sample
  expect (pass_at_k_advantage(x, 2) else 9)
    == [[0.7071067812, -0.3535533906, -0.3535533906], [9]] within 1e-9
}

test "only the best answer counts, by its lead" {
  let x = [[0.2, 0.9, 0.5], [1, 1, 0]] @ sample
  expect best_over_second_advantage(x) == [[0, 0.4, 0], [0, 0, 0]] within 1e-12
}

test "PRIME adds process and outcome" {
  let process = [[1, 3], [5]] @ token
  let outcome = [1, 0] @ sample
  # less 5 and less 2: -4, -2 and 3
  expect prime_advantage(process, outcome, 1) == [[-5, -1], [2]]
  # less 3.5, doubled: -5, -1 and 3
  expect prime_process_advantage_in_code(process, 1) == [[-6, -1], [3]]
}

test "the rarer class weighs more" {
  let x = [[1, 1, 0, 0, 0, 0, 0, 0], [1, 1]] @ sample
  expect class_weight(x, per: prompt)
    == [
      [2, 2, 0.6666666667, 0.6666666667, 0.6666666667, 0.6666666667, 0.6666666667, 0.6666666667],
      [1, 1]
    ] within 1e-9
}

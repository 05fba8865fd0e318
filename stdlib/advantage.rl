## Baselines and scales: how much better than expected an answer, a step or a token was. Each works at every level and over
## every group that `per:` names; published combinations of them are in `std.group`, those with a value function in
## `std.returns`. `normalize(x, per:, guard:)`, centre and scale by one group, is in the prelude.

import std.returns (gae, returns)

## `x - mean` of the group. Without a scale it is the advantage of Dr. GRPO (Liu et al. 2025).
fn centre(x: Real, per: Level) -> Real = x - spread(mean(x, per: per), to: x)

## `x` minus the mean of the others of its group: unbiased, since the baseline does not depend on the answer itself.
## Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!"; equals `centre` times n / (n - 1).
## Absent in a group of one, where verl keeps `x` itself: `leave_one_out(x, per: prompt) else x`.
fn leave_one_out(x: Real, per: Level) -> Real = x - others_mean(x, per: per)

## `x / (std + guard)` of the group, with the n - 1 deviation: the scale of `normalize` alone.
fn scale(x: Real, per: Level, guard: Real) -> Real = x / (std(x, per: per) + guard)

## The mean of one group and the deviation of another: `(x - mean) / (std + guard)`. Prompt and batch is TRL's
## `scale_rewards="batch"` and Lite PPO (Liu et al. 2025, "Tricks or Traps?"), whose deviation is that of `x` before centring.
fn centre_and_scale(x: Real, mean_per: Level, std_per: Level, guard: Real) -> Real =
  centre(x, per: mean_per) / (std(x, per: std_per) + guard)

## `(x - mean) / sqrt(var + guard)`: `normalize` with the guard below the root, as in `masked_whiten` of TRL and verl (1e-8).
fn whiten(x: Real, per: Level, guard: Real) -> Real =
  centre(x, per: per) / sqrt(var(x, per: per) + guard)

## The L1 form of `normalize`: `(x - mean) / (mean |x - mean| + guard)`. Every group has the same sum of sizes, half of it above 0
## and half below, whatever its success rate; dividing by the deviation gives easy and hard groups less.
fn l1_normalize(x: Real, per: Level, guard: Real) -> Real =
  centre(x, per: per) / (mean(abs(centre(x, per: per)), per: per) + guard)

## Advantages of a group so scaled that those above 0 add up to 1 and those below to -1; a side that is empty stays so.
fn sign_balanced(x: Real, per: Level) -> Real =
  where(
    x > 0,
    x / spread(sum(max(x, 0), per: per), to: x),
    where(x < 0, x / spread(sum(max(-x, 0), per: per), to: x), 0)
  )

## 0 in place of what lies more than `most` deviations from the mean of its group, else `x`.
## Zhang et al. 2025 (R1-Reward, StableReinforce): 3, over the batch, of normalised advantages.
fn without_outliers(x: Real, most: Real, per: Level) -> Real =
  where(abs(centre(x, per: per)) <= most * std(x, per: per), x, 0)

## `normalize` of each of several rewards by itself: `normalize_each(each(correct, style), per: prompt, guard: 1e-4)`.
fn normalize_each(x: Real @ member, per: Level, guard: Real) -> Real @ member =
  (x - spread(mean(x, per: per, keep: member), to: x)) / (std(x, per: per, keep: member) + guard)

## The smallest value of a group that at least the share `level` of the group does not exceed; `quantile` interpolates instead.
fn lower_quantile(x: Real, level: Real, per: Level) -> Real =
  min(x, per: per, where: rank(x, per: per) + 1 >= level * count(x, per: per) - 1e-9)

# ------------------------------------------------------------------ over iterations
## A running quantile, one step: `current + rate * (level - share of x at or below current)`. For a `state`: a baseline or bar
## from the history of rewards: `bar <- tracked_quantile(bar, reward, 0.8, 0.05)`. It is stochastic descent on the quantile loss.
fn tracked_quantile(current: Real, x: Real, level: Real, rate: Real) -> Real =
  current + rate * (level - mean(where(x <= current, 1, 0)))

## A running mean, one step: `current + rate * (mean(x) - current)`.
fn tracked_mean(current: Real, x: Real, rate: Real) -> Real = current + rate * (mean(x) - current)

test "centred rewards of a group add up to 0" {
  let x = [1, 0, 0.5] @ sample
  expect centre(x, per: prompt) == [0.5, -0.5, 0]
}

test "leave-one-out is centred times n / (n - 1)" {
  let x = [1, 0, 0, 1] @ sample
  expect leave_one_out(x, per: prompt)
    == [0.6666666667, -0.6666666667, -0.6666666667, 0.6666666667] within 1e-9
}

test "one group's mean and another's deviation" {
  let x = [[1, 0], [3, 0]] @ sample
  # over the batch: mean 1, squares 0 + 1 + 4 + 1 over 3, deviation sqrt(2)
  expect scale(x, per: batch, guard: 0) == [[0.7071067812, 0], [2.1213203436, 0]] within 1e-9
  expect centre_and_scale(x, mean_per: prompt, std_per: batch, guard: 0)
    == [[0.3535533906, -0.3535533906], [1.0606601718, -1.0606601718]] within 1e-9
  expect centre_and_scale(x, mean_per: prompt, std_per: prompt, guard: 0.5)
    == normalize(x, per: prompt, guard: 0.5)
}

test "whitening guards below the root, and works over tokens" {
  let x = [[[1, 3]], [[2]]] @ token
  # mean 2, variance 1
  expect whiten(x, per: batch, guard: 0) == [[[-1, 1]], [[0]]] within 1e-12
  expect whiten(x, per: batch, guard: 3) == [[[-0.5, 0.5]], [[0]]] within 1e-12
}

test "in the L1 form a rare success and many failures weigh the same" {
  let x = [1, 0, 0, 0] @ sample
  # centred 0.75 and -0.25, mean size 0.375
  expect l1_normalize(x, per: prompt, guard: 0)
    == [2, -0.6666666667, -0.6666666667, -0.6666666667] within 1e-9
}

test "both signs of a group weigh 1" {
  let x = [[3, 1, -0.5, -1.5, 0], [2, 2]] @ sample
  expect sign_balanced(x, per: prompt) == [[0.75, 0.25, -0.25, -0.75, 0], [0.5, 0.5]] within 1e-12
}

test "an outlier counts for nothing" {
  let x = [0, 0, 0, 0, 5] @ sample
  # mean 1, deviation sqrt(5): 4 is 1.79 deviations away
  expect without_outliers(x, 1.7, per: batch) == [0, 0, 0, 0, 0]
  expect without_outliers(x, 1.8, per: batch) == [0, 0, 0, 0, 5]
}

test "a lower quantile is a value of the group" {
  let x = [[0, 1, 0, 1], [3, 1, 2]] @ sample
  expect lower_quantile(x, 0.5, per: prompt) == [0, 2]
  expect lower_quantile(x, 0.51, per: prompt) == [1, 2]
  expect lower_quantile(x, 0.3, per: prompt) == [0, 1]
  expect lower_quantile(x, 1, per: prompt) == [1, 3]
}

test "a tracked quantile rises while too few values lie below" {
  let x = [1, 2, 3, 4] @ sample
  # one of four at or below 1.5, wanted 0.75: up by half of 0.5
  expect tracked_quantile(1.5, x, 0.75, 0.5) == 1.75 within 1e-12
  expect tracked_quantile(3, x, 0.75, 0.5) == 3
  expect tracked_mean(1.5, x, 0.1) == 1.6 within 1e-12
}

test "each of two rewards is normalised by itself, whatever the range of the other" {
  let first = [[1, 0], [1, 3]] @ sample
  let second = [[10, 30], [5, 5]] @ sample
  let found = normalize_each(each(first, second), per: prompt, guard: 1e-12)
  expect found
    == each(
      normalize(first, per: prompt, guard: 1e-12),
      normalize(second, per: prompt, guard: 1e-12)
    ) within 1e-9
  expect sum(found * each(1, 0), over: member)
    == [[0.7071067812, -0.7071067812], [-0.7071067812, 0.7071067812]] within 1e-9
}

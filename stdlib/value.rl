## Losses of value functions, per token (or per step, turn, answer) and before any mean. Targets are frozen.

import std.scoring (binary_cross_entropy)

## Half the squared error.
fn value_loss(value: Real, target: Real) -> Real = (value - frozen(target)) ^ 2 / 2

## Squared error, not below that of a prediction kept near the old one. Schulman's PPO code; with the factor 1/2, as in TRL and
## verl.
fn clipped_value_loss(value: Real, old: Real, target: Real, radius: Real) -> Real =
  max((value - target) ^ 2, (old + clip(value - old, -radius .. radius) - target) ^ 2) / 2

## Huber's loss of an error: its square over 2 up to `delta`, beyond that linear. At delta 1 torch's `smooth_l1_loss`; that with
## `beta` is `huber(error, beta) / beta`.
fn huber(error: Real, delta: Real) -> Real =
  where(abs(error) <= delta, error ^ 2 / 2, delta * (abs(error) - delta / 2))

## Huber's loss of a value.
fn huber_value_loss(value: Real, target: Real, delta: Real) -> Real =
  huber(value - frozen(target), delta)

## `clipped_value_loss` with Huber's loss in place of the square. Zang et al. 2025 (RLinf-VLA): delta 10, radius 0.2.
fn clipped_huber_value_loss(
  value: Real,
  old: Real,
  target: Real,
  radius: Real,
  delta: Real
) -> Real =
  max(
    huber(value - target, delta),
    huber(old + clip(value - old, -radius .. radius) - target, delta)
  )

## Cross-entropy of a value that is a probability of success, from its logit; `target` in [0, 1]. Nats.
fn logit_value_loss(logit: Real, target: Real) -> Real = binary_cross_entropy(logit, frozen(target))

## The expectile loss of an error `target - value`: squares above 0 weigh `level`, below `1 - level`. At 1/2 half the square; towards
## 1 the value of the best that is seen. Kostrikov et al. 2021 (IQL), equation 5.
fn expectile_loss(error: Real, level: Real) -> Real = where(error > 0, level, 1 - level) * error ^ 2

## The quantile loss of an error `target - value`: its minimum is the quantile `level` of the targets. Koenker and Bassett 1978.
fn quantile_loss(error: Real, level: Real) -> Real = max(level * error, (level - 1) * error)

## The share of the targets' variance that the values explain: `1 - var(target - value) / var(target)`. 1 is perfect; 0 is what a
## constant does. Absent where the targets do not vary; verl adds 1e-5 to the variance.
fn explained_variance(value: Real, target: Real) -> Real =
  where(var(target) > 0, 1 - var(target - value) / var(target), absent)

test "the target of a value is not learned" {
  let v = live([1, 3] @ sample)
  expect value_loss(v, 2) == [0.5, 0.5]
  expect gradient(sum(value_loss(v, 2)), of: v) == [-1, 1]
  expect gradient(sum(value_loss(1, v)), of: v) == [0, 0]
}

test "a value that jumped too far is charged as if it had not" {
  expect clipped_value_loss(1, 0, 1, 0.2) == 0.32 within 1e-12
  expect clipped_value_loss(0.1, 0, 1, 0.2) == 0.405 within 1e-12
}

test "Huber's loss is linear beyond delta" {
  let e = live([0.5, -1, 3] @ sample)
  # 0.125; 0.5; 1 (3 - 1/2)
  expect huber(e, 1) == [0.125, 0.5, 2.5]
  expect gradient(sum(huber(e, 1)), of: e) == [0.5, -1, 1]
  expect huber(e, 2) == [0.125, 0.5, 4]
}

test "a value is charged by Huber, clipped or not" {
  let v = live([3, 0.1] @ sample)
  expect huber_value_loss(v, 0, 1) == [2.5, 0.005] within 1e-12
  # kept near 0: error -0.8 against 2, of target 1; 0.1 is near already
  expect clipped_huber_value_loss(v, 0, 1, 0.2, 1) == [1.5, 0.405] within 1e-12
  expect gradient(sum(clipped_huber_value_loss(v, 0, 1, 0.2, 1)), of: v) == [1, -0.9] within 1e-12
}

test "a logit's loss is least at the probability it stands for" {
  let x = live([0, 1.0986122887] @ sample)
  expect logit_value_loss(x, 0.75) == [0.6931471806, 0.5623351446] within 1e-9
  # sigmoid(x) - target: 1/2 - 3/4, 3/4 - 3/4
  expect gradient(sum(logit_value_loss(x, 0.75)), of: x) == [-0.25, 0] within 1e-9
}

test "expectiles and quantiles weigh what lies above more" {
  let v = live([2, 2, 2] @ sample)
  let target = [1, 2, 5] @ sample
  expect expectile_loss(target - v, 0.9) == [0.1, 0, 8.1] within 1e-12
  expect gradient(sum(expectile_loss(target - v, 0.9)), of: v) == [0.2, 0, -5.4] within 1e-12
  expect quantile_loss(target - v, 0.9) == [0.1, 0, 2.7] within 1e-12
  expect gradient(sum(quantile_loss(target - v, 0.9)), of: v) == [0.1, -0.9, -0.9] within 1e-12
}

test "explained variance" {
  let target = [0, 2, 4] @ sample
  let v = [1, 2, 3] @ sample
  # variances 1 and 4
  expect explained_variance(v, target) == 0.75 within 1e-12
  expect explained_variance(2, target) == 0 within 1e-12
  expect (explained_variance(v, 1) else -9) == -9
}

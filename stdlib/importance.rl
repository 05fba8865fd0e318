## Importance weights that correct for a policy other than the one that wrote the answers: a rollout engine of another precision,
## weights that are some steps old. `weight` is `p / q`, the trainer's probability over the sampler's; `log_ratio` its logarithm,
## in nats. A weight of tokens is biased and of low variance, one of answers (`product_ratio` of `std.sequence`) the reverse; each
## function here works on either. Weights come out frozen, and multiply a surrogate: `truncated(w, 2) * clipped(r, A, …)`. Rejections
## are truth values: in `where:` they take tokens or answers out of a mean, as verl does; as factors they leave them in, as 0.

import std.divergence (k2_of, k3_of)

## `min(weight, cap)`: truncated importance sampling (TIS). Espeholt et al. 2018 (IMPALA); Yao et al. 2025, "Your Efficient RL
## Framework Secretly Brings You Off-Policy RL Training". TRL: `token_truncate`, `sequence_truncate`.
fn truncated(weight: Real, cap: Real) -> Real = frozen(min(weight, cap))

## The weight where it lies within `bounds`, ends included, and 0 elsewhere: what the two policies disagree on is not learned
## from. Ling Team 2025, "Every Step Evolves" (IcePop, `0.5 .. 5` for a token). TRL: `token_mask`, `sequence_mask`.
fn masked(weight: Real, bounds: Bounds) -> Real =
  frozen(where(is_within(weight, bounds), weight, 0))

## The weight over its mean in the update batch, so that a batch counts the same whatever its weights are; 0 where all are 0.
## Self-normalised importance sampling: biased, and consistent. verl: `rollout_is_batch_normalize`.
fn self_normalized(weight: Real) -> Real = frozen(where(mean(weight) > 0, weight / mean(weight), 0))

## Whether a value lies within bounds, ends included. Of a log-ratio it is rejection by k1: for tokens
## `is_within(log_ratio, log(0.5) .. log(2))`, for answers the same with its `sum` or `mean`, `per: sample`.
## verl: `token_k1`, `seq_sum_k1`, `seq_mean_k1`, whose bounds are those of `q / p`, the reciprocals.
fn is_within(x: Real, bounds: Bounds) -> Bool = x >= bounds.low and x <= bounds.high

## Whether k2, `log_ratio^2 / 2`, is at most `limit`, token by token. verl: `token_k2`.
fn is_near_by_k2(log_ratio: Real, limit: Real) -> Bool = k2_of(log_ratio) <= limit

## Whether k3 of the sampler's divergence from the trainer, `p/q - 1 - log(p/q)`, is at most `limit`, token by token.
## verl: `token_k3`.
fn is_near_by_k3(log_ratio: Real, limit: Real) -> Bool = k3_of(-log_ratio) <= limit

## Whether an answer is near its sampler: the estimates of its tokens, put together, are at most `limit`. `estimate` is `k2_of` or
## `k3_of` of `std.divergence`, `combine` is `sum`, `mean` or `max`.
## verl: `seq_sum_k2`, `seq_mean_k2`, `seq_max_k2`, `seq_sum_k3`, `seq_mean_k3`, `seq_max_k3`.
fn is_answer_near(
  log_ratio: Real @ token,
  estimate: Function,
  combine: Function,
  limit: Real
) -> Bool @ sample = combine(estimate(-log_ratio), per: sample) <= limit

test "a truncated weight is bounded above alone, and has no gradient" {
  let w = live([0.1, 1, 7] @ sample)
  expect truncated(w, 2) == [0.1, 1, 2]
  expect gradient(sum(truncated(w, 2) * w), of: w) == [0.1, 1, 2]
}

test "a masked weight is itself or nothing" {
  let w = [0.49, 0.5, 1, 5, 5.01] @ sample
  expect masked(w, 0.5 .. 5) == [0, 0.5, 1, 5, 0]
}

test "self-normalised weights have mean 1" {
  let w = [0.5, 1, 4.5] @ sample
  expect self_normalized(w) == [0.25, 0.5, 2.25] within 1e-12
  expect self_normalized([0, 0, 0] @ sample) == [0, 0, 0]
}

test "truncated first and normalised then" {
  let w = [[0.5, 1], [4]] @ token
  # 0.5, 1, 2 over 7/6
  expect self_normalized(truncated(w, 2))
    == [[0.4285714286, 0.8571428571], [1.7142857143]] within 1e-9
}

test "the three estimates reject other tokens" {
  # ratios 2, 1, 1/2: k2 0.2402 on both sides, k3 0.3069 where p is larger and 0.1931 where it is smaller
  let d = [0.6931471806, 0, -0.6931471806] @ sample
  expect is_within(d, log(0.6) .. log(3)) == [1, 1, 0]
  expect is_near_by_k2(d, 0.24) == [0, 1, 0]
  expect is_near_by_k2(d, 0.25) == [1, 1, 1]
  expect is_near_by_k3(d, 0.25) == [0, 1, 1]
}

test "by k1 an answer is judged by its ratio, whole or as a geometric mean" {
  # products e^0.4 = 1.49 and e^0.3 = 1.35, means e^0.13 = 1.14 and e^0.3
  let d = [[0.2, -0.2, 0.4], [0.3]] @ token
  expect is_within(sum(d, per: sample), log(0.7) .. log(1.4)) == [0, 1]
  expect is_within(mean(d, per: sample), log(0.8) .. log(1.25)) == [1, 0]
}

test "an answer is judged by the sum, the mean or the worst of its tokens" {
  # k2 of the tokens: 0.02, 0.02, 0.08 and 0.045
  let d = [[0.2, -0.2, 0.4], [0.3]] @ token
  expect is_answer_near(d, k2_of, sum, 0.1) == [0, 1]
  expect is_answer_near(d, k2_of, mean, 0.0401) == [1, 0]
  expect is_answer_near(d, k2_of, max, 0.05) == [0, 1]
  # k3 of 0.4: e^0.4 - 1.4 = 0.0918246976
  expect is_answer_near(d, k3_of, max, 0.0918) == [0, 1]
  expect is_answer_near(d, k3_of, max, 0.0919) == [1, 1]
}

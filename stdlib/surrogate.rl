## Surrogates: what a policy-gradient step maximises at each token (or sample), before any aggregation.

## The pessimistic clipped surrogate `min(r A, clip(r, low, high) A)`; `bounds` are those of the ratio, around 1.
## Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7; asymmetric bounds: Yu et al. 2025 (DAPO).
fn clipped(ratio: Real, advantage: Real, bounds: Bounds) -> Real =
  min(ratio * advantage, clip(ratio, bounds) * advantage)

## `clipped`, and never below `cap * A` where A < 0, so that one bad token cannot dominate. Ye et al. 2020 (dual clip).
fn dual_clipped(ratio: Real, advantage: Real, bounds: Bounds, cap: Real) -> Real =
  where(
    advantage < 0,
    max(clipped(ratio, advantage, bounds), cap * advantage),
    clipped(ratio, advantage, bounds)
  )

## The ratio of the whole answer, per token: `exp(mean(log_ratio))` @ sample.
## Zheng et al. 2025, "Group Sequence Policy Optimization", equation 7.
fn sequence_ratio(log_ratio: Real @ token) -> Real @ sample = exp(mean(log_ratio, per: sample))

test "at ratio 1 the clip does nothing" {
  expect clipped(1, 0.7, 0.8 .. 1.2) == 0.7
  expect clipped(1, -0.7, 0.8 .. 1.2) == -0.7
}

test "a good answer gains no more beyond the upper bound" {
  expect clipped(1.5, 1, 0.8 .. 1.28) == 1.28
  expect clipped(0.5, 1, 0.8 .. 1.28) == 0.5
}

test "a bad answer is not helped below the lower bound" {
  expect clipped(0.5, -1, 0.8 .. 1.28) == -0.8
  expect clipped(1.5, -1, 0.8 .. 1.28) == -1.5
}

test "beyond the bound no gradient is left" {
  let r = live([1.5, 1.1, 0.5] @ sample)
  expect gradient(sum(clipped(r, 1, 0.8 .. 1.28)), of: r) == [0, 1, 1]
}

test "the dual clip bounds what a bad token costs" {
  expect dual_clipped(10, -1, 0.8 .. 1.2, 3) == -3
  expect dual_clipped(2, -1, 0.8 .. 1.2, 3) == -2
  expect dual_clipped(10, 1, 0.8 .. 1.2, 3) == 1.2
}

test "the sequence ratio is the geometric mean of the token ratios" {
  let d = [[0.2, -0.2, 0.3], [0.1]] @ token
  expect sequence_ratio(d) == [1.1051709181, 1.1051709181] within 1e-9
}

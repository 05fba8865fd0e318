## Surrogates: what a policy-gradient step maximises at each token (or sample), before any aggregation. `ratio` is live:
## `exp(logp(actor, y) - y.logp)`, or one of an answer. Forms that weigh a log-probability are in `std.policy_gradient`.

## The importance-weighted surrogate `r A`. Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 6.
fn unclipped(ratio: Real, advantage: Real) -> Real = ratio * advantage

## The pessimistic clipped surrogate `min(r A, clip(r, low, high) A)`; `bounds` are those of the ratio, around 1.
## Schulman et al. 2017, equation 7; asymmetric bounds: Yu et al. 2025 (DAPO). TRL and verl write `0.8 .. 1.28` as the distances
## 0.2 and 0.28; verl's `vanilla` is `dual_clipped` and cuts the log-ratio at -20 .. 20 besides.
fn clipped(ratio: Real, advantage: Real, bounds: Bounds) -> Real =
  min(ratio * advantage, clip(ratio, bounds) * advantage)

## `clipped`, and never below `cap * A` where A < 0, so that one bad token cannot dominate. Ye et al. 2020 (dual clip);
## verl's `clip_ratio_c`, 3 unless set.
fn dual_clipped(ratio: Real, advantage: Real, bounds: Bounds, cap: Real) -> Real =
  where(
    advantage < 0,
    max(clipped(ratio, advantage, bounds), cap * advantage),
    clipped(ratio, advantage, bounds)
  )

## `min(min(r, cap) A, clip(r, low, high) A)`: the ratio is cut at `cap` before the clip. Prime Intellect 2025, "INTELLECT-2"
## (two-sided clipping); TRL's `delta`. With `cap` above the upper bound it is `dual_clipped`; below it, good tokens are cut
## there too.
fn two_sided_clipped(ratio: Real, advantage: Real, bounds: Bounds, cap: Real) -> Real =
  min(min(ratio, cap) * advantage, clip(ratio, bounds) * advantage)

## The clipped surrogate about a proximal policy, weighted by that policy over the behaviour that wrote the answer:
## `weight min(r A, clip(r, low, high) A)`, `r = p / proximal` live, `weight = proximal / behaviour` frozen. How far a step goes no
## longer depends on how old the samples are. Hilton et al. 2021, "Batch size-invariance for policy optimization"; Fu et al. 2025
## (AReaL). The weight may be `truncated` (TIS) or `masked` (IcePop) of `std.importance` first.
fn decoupled_clipped(ratio: Real, weight: Real, advantage: Real, bounds: Bounds) -> Real =
  frozen(weight) * clipped(ratio, advantage, bounds)

## A ratio whose logarithm is cut before it is exponentiated, so that it is finite: `exp(clip(log_ratio, log low, log high))`, with
## no gradient beyond. `bounds` are those of the ratio. Zhang et al. 2025, "R1-Reward" (StableReinforce: `1e-3 .. 1e3`).
fn preclipped_ratio(log_ratio: Real, bounds: Bounds) -> Real =
  exp(clip(log_ratio, log(bounds.low) .. log(bounds.high)))

## The soft gate `4/t sigmoid(t (r - 1)) A` in the place of a clip: a slope of 1 at `r = 1` that fades on both sides, the faster the
## larger the temperature t, which is `positive` for `A > 0` and `negative` for others.
## Gao et al. 2025, "Soft Adaptive Policy Optimization" (SAPO; 1 and 1.05).
fn sapo(ratio: Real, advantage: Real, positive: Real, negative: Real) -> Real = {
  let temperature = where(advantage > 0, positive, negative)
  4 / temperature * sigmoid(temperature * (ratio - 1)) * advantage
}

## `p / (p + gamma) A` for tokens of another policy whose own probability is taken as 1: `p` is the live probability, and what is
## unlikely gets the larger gradient, `gamma / (p + gamma)^2`. Yan et al. 2025 (LUFFY, 0.1).
fn shaped(p: Real, advantage: Real, gamma: Real) -> Real = p / (p + gamma) * advantage

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

test "what lies on policy is not changed by any of them" {
  let r = live([1, 1] @ sample)
  let a = [0.7, -0.7] @ sample
  expect gradient(sum(unclipped(r, a)), of: r) == [0.7, -0.7]
  expect gradient(sum(clipped(r, a, 0.8 .. 1.28)), of: r) == [0.7, -0.7]
  expect gradient(sum(dual_clipped(r, a, 0.8 .. 1.28, 3)), of: r) == [0.7, -0.7]
  expect gradient(sum(two_sided_clipped(r, a, 0.8 .. 1.28, 3)), of: r) == [0.7, -0.7]
  expect gradient(sum(decoupled_clipped(r, 1, a, 0.8 .. 1.28)), of: r) == [0.7, -0.7]
  expect gradient(sum(sapo(r, a, 1, 1.05)), of: r) == [0.7, -0.7] within 1e-12
}

test "the two-sided clip is the dual clip where the cap lies above the bounds" {
  let r = [0.1, 0.9, 1.1, 2, 10] @ sample
  let good = two_sided_clipped(r, 1, 0.8 .. 1.28, 3)
  expect good == dual_clipped(r, 1, 0.8 .. 1.28, 3)
  expect good == [0.1, 0.9, 1.1, 1.28, 1.28]
  let bad = two_sided_clipped(r, -1, 0.8 .. 1.28, 3)
  expect bad == dual_clipped(r, -1, 0.8 .. 1.28, 3)
  expect bad == [-0.8, -0.9, -1.1, -2, -3]
}

test "a cap below the upper bound cuts good tokens as well" {
  expect two_sided_clipped(2, 1, 0.8 .. 1.28, 1.1) == 1.1
  expect dual_clipped(2, 1, 0.8 .. 1.28, 1.1) == 1.28
}

test "the decoupled clip measures the step from the proximal policy and weighs it for the behaviour" {
  let logp = live([-1, -1] @ sample)
  let proximal = [-1.1, -1.5] @ sample
  let behaviour = [-2.1, -1.5] @ sample
  let s = decoupled_clipped(exp(logp - proximal), exp(proximal - behaviour), 1, 0.8 .. 1.28)
  # e * exp(0.1), and exp(0.5) cut to 1.28
  expect s == [3.0041660239, 1.28] within 1e-9
  expect gradient(sum(s), of: logp) == [3.0041660239, 0] within 1e-9
}

test "where proximal policy and behaviour are one, the decoupled clip is the clip" {
  let logp = [-1, -1, -1] @ sample
  let behaviour = [-1.1, -1.5, -0.5] @ sample
  let r = exp(logp - behaviour)
  expect decoupled_clipped(r, exp(behaviour - behaviour), 1, 0.8 .. 1.28)
    == clipped(r, 1, 0.8 .. 1.28)
}

test "a log-ratio of 20 gives the bound and not infinity" {
  let d = live([20, 0.5, -20, 900] @ sample)
  expect preclipped_ratio(d, 0.001 .. 1000) == [1000, 1.6487212707, 0.001, 1000] within 1e-9
  expect gradient(sum(preclipped_ratio(d, 0.001 .. 1000)), of: d)
    == [0, 1.6487212707, 0, 0] within 1e-9
}

test "the gate of SAPO fades on both sides of 1, and faster for bad tokens" {
  let r = live([2, 2, 0] @ sample)
  let a = [1, -1, 1] @ sample
  # 4 sigmoid(1) and -4/1.05 sigmoid(1.05), 4 sigmoid(-1)
  expect sapo(r, a, 1, 1.05) == [2.9242343145, -2.8219996159, 1.0757656855] within 1e-9
  # 4 s (1 - s): s = 0.7310585786, s = 0.7407748992
  expect gradient(sum(sapo(r, a, 1, 1.05)), of: r)
    == [0.7864477330, -0.7681097917, 0.7864477330] within 1e-9
}

test "shaping gives a token of probability 0.1 the value 1/2 and the slope 2.5" {
  let p = live([0.1, 0.9] @ sample)
  expect shaped(p, 1, 0.1) == [0.5, 0.9] within 1e-12
  expect gradient(sum(shaped(p, 1, 0.1)), of: p) == [2.5, 0.1] within 1e-12
}

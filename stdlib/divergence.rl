## Divergences between policies: estimators from two log-probabilities, read at the sampled tokens. Nats per token.
## For exact ones, over the whole vocabulary, the language has `kl`, `js` and `tv`.
##
## With `d = log p - log q` at tokens that p sampled, each estimator below has two meanings that differ: the divergence that
## its *value* estimates, and the one whose gradient it has on average *as a loss* (the prefix being given). None of the
## unbiased ones is a loss of the divergence it measures (RL301, RL302); the `…_straight_through` forms are.
##
## | estimator              | value estimates          | as a loss, the gradient of |
## |------------------------|--------------------------|----------------------------|
## | `k1`                   | KL(p||q)                 | nothing: it averages to 0  |
## | `k2`                   | (biased)                 | KL(p||q)                   |
## | `k3`                   | KL(p||q)                 | KL(q||p)                   |
## | `absolute`             | (biased)                 | twice the total variation  |
## | `sampled_forward_kl`   | KL(q||p)                 | another divergence         |
## | `sampled_tv`           | total variation          | another divergence         |
## | `sampled_js`           | Jensen-Shannon           | another divergence         |
## | `sampled_alpha`        | alpha divergence         | another divergence         |
##
## Estimators k1, k2, k3: Schulman 2020, "Approximating KL Divergence".

## `log p - log q`: unbiased for KL(p||q) over samples from p. As a loss its expected gradient is 0 (RL301).
fn k1(p: Policy, q: Policy, y: Response) -> Real @ token = logp(p, y) - logp(q, y)

## `(log p - log q)^2 / 2`: biased; as a loss its expected gradient is that of KL(p||q).
fn k2(p: Policy, q: Policy, y: Response) -> Real @ token = k2_of(logp(p, y) - logp(q, y))

## `q/p - 1 - log(q/p)`: unbiased for KL(p||q), never negative; as a loss it follows the gradient of KL(q||p) (RL302).
fn k3(p: Policy, q: Policy, y: Response) -> Real @ token = k3_of(logp(p, y) - logp(q, y))

## `|log p - log q|`: biased; as a loss its expected gradient is twice that of the total variation. verl: `abs`.
fn absolute(p: Policy, q: Policy, y: Response) -> Real @ token = abs(logp(p, y) - logp(q, y))

## `(log p - log q)^2`, twice `k2`. What verl calls `mse` is `k2`, with the half.
fn squared(p: Policy, q: Policy, y: Response) -> Real @ token = (logp(p, y) - logp(q, y)) ^ 2

## KL(q||p) from samples of p: `u log u - u + 1` with `u = q/p`. Unbiased, never negative.
fn sampled_forward_kl(p: Policy, q: Policy, y: Response) -> Real @ token =
  sampled_forward_kl_of(logp(p, y) - logp(q, y))

## Total variation from samples of p: `|1 - q/p| / 2`. Unbiased, never negative. Exact: `tv(p, q, y)`.
fn sampled_tv(p: Policy, q: Policy, y: Response) -> Real @ token =
  sampled_tv_of(logp(p, y) - logp(q, y))

## `weight KL(p||m) + (1 - weight) KL(q||m)`, `m = weight p + (1 - weight) q`, from samples of p. Unbiased, never negative.
## At weight 1/2 the Jensen-Shannon divergence, whose exact form is `js(p, q, y)`.
fn sampled_js(p: Policy, q: Policy, y: Response, weight: Real) -> Real @ token =
  sampled_js_of(logp(p, y) - logp(q, y), weight)

## The alpha divergence `(sum p^order q^(1 - order) - 1) / (order (order - 1))` from samples of p. Unbiased, never negative.
fn sampled_alpha(p: Policy, q: Policy, y: Response, order: Real) -> Real @ token =
  sampled_alpha_of(logp(p, y) - logp(q, y), order)

## The value of `k1` with the gradient of `k2`: KL(p||q) in value and, on average, in gradient. verl: `k1+`.
fn k1_straight_through(p: Policy, q: Policy, y: Response) -> Real @ token =
  k1_straight_through_of(logp(p, y) - logp(q, y))

## The value of `k3` with the gradient of `k2`: KL(p||q) in value and, on average, in gradient. verl: `k3+`.
fn k3_straight_through(p: Policy, q: Policy, y: Response) -> Real @ token =
  k3_straight_through_of(logp(p, y) - logp(q, y))

# ------------------------------------------------------------------ of a log-ratio
## k1 of a log-ratio `log p - log q`: itself.
fn k1_of(log_ratio: Real) -> Real = log_ratio

## k2 of a log-ratio `log p - log q`.
fn k2_of(log_ratio: Real) -> Real = log_ratio ^ 2 / 2

## k3 of a log-ratio `log p - log q`.
fn k3_of(log_ratio: Real) -> Real = expm1(-log_ratio) + log_ratio

## k3 as verl computes it (`low_var_kl`, there -20 .. 20 and 10): the log-ratio is clipped before, the value after. Beyond
## either bound nothing pulls back any more; the paper's k3 has neither.
fn k3_clipped_of(log_ratio: Real, bounds: Bounds, cap: Real) -> Real =
  min(k3_of(clip(log_ratio, bounds)), cap)

## k3 weighted by the live ratio of the policy to the one that sampled: unbiased for KL(p||q) in value and in gradient, also
## off-policy. DeepSeek-AI 2025 (DeepSeek-V3.2), "unbiased KL estimate"; TRL: `use_bias_correction_kl`.
fn k3_weighted_of(ratio: Real, log_ratio: Real) -> Real = ratio * k3_of(log_ratio)

## `u log u - u + 1`, `u = q/p`, of a log-ratio `log p - log q`.
fn sampled_forward_kl_of(log_ratio: Real) -> Real = -log_ratio * exp(-log_ratio) - expm1(-log_ratio)

## `|1 - q/p| / 2` of a log-ratio `log p - log q`.
fn sampled_tv_of(log_ratio: Real) -> Real = abs(expm1(-log_ratio)) / 2

## `weight log(p/m) + (1 - weight) (q/p) log(q/m)` of a log-ratio `log p - log q`; `weight` is that of p in the mixture m.
fn sampled_js_of(log_ratio: Real, weight: Real) -> Real = {
  let mixture = log1p((1 - weight) * expm1(-log_ratio))  # log m - log p
  (1 - weight) * exp(-log_ratio) * (-log_ratio - mixture) - weight * mixture
}

## `(u^(1 - order) - (1 - order) u - order) / (order (order - 1))`, `u = q/p`, of a log-ratio `log p - log q`. The orders 0
## and 1 are its limits: `sampled_forward_kl_of` and `k3_of`. Order 1/2: four times the squared Hellinger distance; 2: half of
## Pearson's chi-squared.
fn sampled_alpha_of(log_ratio: Real, order: Real) -> Real =
  (expm1((order - 1) * log_ratio) - (1 - order) * expm1(-log_ratio)) / (order * (order - 1))

# ------------------------------------------------------------------ value of one, gradient of another
## The value of one expression with the gradient of another: `frozen(value - slope) + slope`.
fn straight_through(value: Real, slope: Real) -> Real = frozen(value - slope) + slope

## KL(p||q): the value of k1, the gradient of k2.
fn k1_straight_through_of(log_ratio: Real) -> Real =
  straight_through(k1_of(log_ratio), k2_of(log_ratio))

## KL(p||q): the value of k3, the gradient of k2.
fn k3_straight_through_of(log_ratio: Real) -> Real =
  straight_through(k3_of(log_ratio), k2_of(log_ratio))

## KL(q||p): the value of `sampled_forward_kl_of`, the gradient of k3.
fn forward_kl_straight_through_of(log_ratio: Real) -> Real =
  straight_through(sampled_forward_kl_of(log_ratio), k3_of(log_ratio))

## Total variation: the value of `sampled_tv_of`, the gradient of `|log p - log q| / 2`.
fn tv_straight_through_of(log_ratio: Real) -> Real =
  straight_through(sampled_tv_of(log_ratio), abs(log_ratio) / 2)

## Jensen-Shannon, with p's weight in the mixture: the value of `sampled_js_of`, the gradient `weight log(p/m)` on `log p`.
fn js_straight_through_of(log_ratio: Real, weight: Real) -> Real =
  straight_through(
    sampled_js_of(log_ratio, weight),
    frozen(-weight * log1p((1 - weight) * expm1(-log_ratio))) * log_ratio
  )

## The alpha divergence of an order other than 0 and 1: the value of `sampled_alpha_of`, the gradient
## `(p/q)^(order - 1) - 1) / (order - 1)` on `log p`.
fn alpha_straight_through_of(log_ratio: Real, order: Real) -> Real =
  straight_through(
    sampled_alpha_of(log_ratio, order),
    (expm1((order - 1) * log_ratio) - (order - 1) * log_ratio) / (order - 1) ^ 2
  )

test "all estimators vanish where the policies agree" {
  expect k1_of(0) == 0
  expect k2_of(0) == 0
  expect k3_of(0) == 0
  expect sampled_forward_kl_of(0) == 0
  expect sampled_tv_of(0) == 0
  expect sampled_js_of(0, 0.3) == 0
  expect sampled_alpha_of(0, 0.5) == 0
}

test "k3 of a policy twice as sure is ln 2 - 1/2" {
  expect k3_of(0.6931471806) == 0.1931471806 within 1e-9
}

test "where p is twice q: the others" {
  let d = [0.6931471806] @ sample
  # u = 1/2: -ln(2) / 2 - 1/2 + 1
  expect sampled_forward_kl_of(d) == [0.1534264097] within 1e-9
  expect sampled_tv_of(d) == [0.25] within 1e-9
  # m / p = 3/4: (ln(4/3) + ln(2/3) / 2) / 2
  expect sampled_js_of(d, 0.5) == [0.0424747592] within 1e-9
  # m / p = 0.1 + 0.9 / 2 = 0.55: -0.1 ln(0.55) + 0.9 / 2 (ln(1/2) - ln(0.55))
  expect sampled_js_of(d, 0.1) == [0.0168941192] within 1e-9
  # (2 + 1/2 - 2) / 2
  expect sampled_alpha_of(d, 2) == [0.25] within 1e-9
  # (sqrt(1/2) - 1/4 - 1/2) / (-1/4)
  expect sampled_alpha_of(d, 0.5) == [0.1715728753] within 1e-9
}

test "the estimators with a control variate are not negative on either side" {
  let d = [-2, -0.1, 0.1, 2] @ sample
  expect min(k3_of(d)) >= 0
  expect min(sampled_forward_kl_of(d)) >= 0
  expect min(sampled_js_of(d, 0.9)) >= 0
  expect min(sampled_alpha_of(d, -1)) >= 0
  expect min(sampled_alpha_of(d, 0.5)) >= 0
  expect min(sampled_alpha_of(d, 3)) >= 0
}

test "near the orders 1 and 0 the alpha divergence is k3 and the forward KL" {
  let d = [-1, 0.5] @ sample
  expect sum(abs(sampled_alpha_of(d, 1.000001) - k3_of(d))) == 0 within 1e-5
  expect sum(abs(sampled_alpha_of(d, 0.000001) - sampled_forward_kl_of(d))) == 0 within 1e-5
}

test "a mixture that is all p, or all q, is as far as nothing" {
  let d = [-1, 0.5] @ sample
  expect sampled_js_of(d, 1) == [0, 0]
  expect sampled_js_of(d, 0) == [0, 0] within 1e-15
}

test "the gradient of k3 by the log-ratio is 1 - q/p" {
  let d = live([0.6931471806] @ sample)
  expect gradient(sum(k3_of(d)), of: d) == [0.5] within 1e-9
}

test "straight-through k1 and k3 have their own values and the gradient of k2" {
  let d = live([0.6931471806, -1] @ sample)
  expect k1_straight_through_of(d) == [0.6931471806, -1] within 1e-12
  expect gradient(sum(k1_straight_through_of(d)), of: d) == [0.6931471806, -1] within 1e-12
  # k3(-1) = e - 1 - 1
  expect k3_straight_through_of(d) == [0.1931471806, 0.7182818285] within 1e-9
  expect gradient(sum(k3_straight_through_of(d)), of: d) == [0.6931471806, -1] within 1e-12
}

test "straight-through forms of the other divergences" {
  let d = live([0.6931471806] @ sample)
  expect forward_kl_straight_through_of(d) == [0.1534264097] within 1e-9
  expect gradient(sum(forward_kl_straight_through_of(d)), of: d) == [0.5] within 1e-9
  expect tv_straight_through_of(d) == [0.25] within 1e-9
  expect gradient(sum(tv_straight_through_of(d)), of: d) == [0.5]
  # ln(4/3) / 2
  expect js_straight_through_of(d, 0.5) == [0.0424747592] within 1e-9
  expect gradient(sum(js_straight_through_of(d, 0.5)), of: d) == [0.1438410362] within 1e-9
  # 2 - 1, and (sqrt(1/2) - 1) / (-1/2)
  expect alpha_straight_through_of(d, 2) == [0.25] within 1e-9
  expect gradient(sum(alpha_straight_through_of(d, 2)), of: d) == [1] within 1e-9
  expect gradient(sum(alpha_straight_through_of(d, 0.5)), of: d) == [0.5857864376] within 1e-9
}

test "the weighted k3 has the gradient of its ratio as well" {
  let r = live([2] @ sample)
  let d = live([0.6931471806] @ sample)
  expect k3_weighted_of(r, d) == [0.3862943611] within 1e-9
  expect gradient(sum(k3_weighted_of(r, d)), of: r) == [0.1931471806] within 1e-9
  expect gradient(sum(k3_weighted_of(r, d)), of: d) == [1] within 1e-9
}

test "a clipped k3 stops beyond its bounds" {
  let d = live([-4, -1, 30] @ sample)
  # of clip(30) = 20: exp(-20) - 1 + 20, capped; e^4 - 1 - 4 = 49.6, capped
  expect k3_clipped_of(d, -20 .. 20, 10) == [10, 0.7182818285, 10] within 1e-9
  expect gradient(sum(k3_clipped_of(d, -20 .. 20, 10)), of: d) == [0, -1.7182818285, 0] within 1e-9
}

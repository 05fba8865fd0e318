## Divergences between policies: estimators from two log-probabilities, read at the sampled tokens. Nats per token.
## For exact ones, over the whole vocabulary, the language has `kl`, `js` and `tv`.
##
## Estimators k1, k2, k3: Schulman 2020, "Approximating KL Divergence".

## `log p - log q`: unbiased for KL(p||q) over samples from p. As a loss its expected gradient is 0 (RL301).
fn k1(p: Policy, q: Policy, y: Response) -> Real @ token = logp(p, y) - logp(q, y)

## `(log p - log q)^2 / 2`: biased; as a loss its expected gradient is that of KL(p||q).
fn k2(p: Policy, q: Policy, y: Response) -> Real @ token = k2_of(logp(p, y) - logp(q, y))

## `q/p - 1 - log(q/p)`: unbiased for KL(p||q), never negative; as a loss it follows the gradient of KL(q||p) (RL302).
fn k3(p: Policy, q: Policy, y: Response) -> Real @ token = k3_of(logp(p, y) - logp(q, y))

## k2 of a log-ratio `log p - log q`.
fn k2_of(log_ratio: Real) -> Real = log_ratio ^ 2 / 2

## k3 of a log-ratio `log p - log q`.
fn k3_of(log_ratio: Real) -> Real = expm1(-log_ratio) + log_ratio

test "all estimators vanish where the policies agree" {
  expect k2_of(0) == 0
  expect k3_of(0) == 0
}

test "k3 of a policy twice as sure is ln 2 - 1/2" {
  expect k3_of(0.6931471806) == 0.1931471806 within 1e-9
}

test "k3 is not negative on either side" {
  let d = [-2, -0.1, 0.1, 2] @ sample
  expect min(k3_of(d)) >= 0
}

test "the gradient of k3 by the log-ratio is 1 - q/p" {
  let d = live([0.6931471806] @ sample)
  expect gradient(sum(k3_of(d)), of: d) == [0.5] within 1e-9
}

## Which tokens are learned from, and which are held back. Masks are truth values: as `where:` of a mean they leave tokens out of
## its count, as factors they leave them in, as 0. `per:` says among which values a share is taken: `batch` is the update batch in
## an objective, whatever its micro-batches, and all that was drawn in a top-level `let`.

import std.policy_gradient (weighted_reinforce)
import std.surrogate (clipped)

## The largest values by their threshold: `x >= quantile(x, 1 - share)`, with linear interpolation, ties all in.
## Wang et al. 2025, "Beyond the 80/20 Rule" (forking tokens: `top_quantile(entropy(actor, y), 0.2, per: batch)`, in `where:`, so that the
## mean is over the tokens that were kept). TRL's `top_entropy_quantile` is this mask as a factor, over one micro-batch of all ranks.
fn top_quantile(x: Real, share: Real, per: Level) -> Bool =
  frozen(x) >= quantile(frozen(x), 1 - share, per: per)

## The largest values by their number: the `floor(share * n)` first, and at least one; the earlier of ties.
fn top_share(x: Real, share: Real, per: Level) -> Bool =
  top(frozen(x), max(1, floor(share * count(x, per: per))), per: per)

## How much a token's update moves the entropy of the policy: `(log p - mean log p) (A - mean A)`, the means over all tokens of
## the update batch; nats. Large where a token that is likely already was also better than expected.
## Cui et al. 2025, "The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models".
fn covariance(logp: Real @ token, advantage: Real) -> Real @ token = {
  let each = spread(advantage, to: logp)
  frozen((logp - mean(logp)) * (each - mean(each)))
}

## Clip-Cov: the clipped surrogate, and nothing for tokens that are drawn from those whose covariance lies strictly within `window`
## and which the clip itself has not cut: `floor(share * tokens)` of them, at least one. `draw` is a number for each token,
## below 1 and without preference (`y.uniform`); the smallest are chosen. Cui et al. 2025 (2e-4, `1 .. 5`). verl: `clip_cov`.
fn clip_cov(
  ratio: Real @ token,
  advantage: Real,
  bounds: Bounds,
  covariance: Real @ token,
  window: Bounds,
  share: Real,
  draw: Real @ token
) -> Real @ token = {
  let is_cut = clip(ratio, bounds) * advantage < ratio * advantage
  let may_go = covariance > window.low and covariance < window.high and not is_cut
  let place = rank(where(may_go, draw, 1), per: batch)
  let is_gone = may_go and place < max(1, floor(share * count(draw)))
  where(is_gone, 0, clipped(ratio, advantage, bounds))
}

## KL-Cov: the importance-weighted surrogate, less `weight |log_ratio|` at the tokens of largest covariance, a `share` of the
## update batch. Cui et al. 2025 (2e-3 to 2e-4, weight 1); the estimate of the divergence by `|log p - log q|` is that of the
## authors' code and of verl (`kl_cov`).
fn kl_cov(
  log_ratio: Real @ token,
  advantage: Real,
  covariance: Real @ token,
  share: Real,
  weight: Real
) -> Real @ token = {
  let is_held = top_share(covariance, share, per: batch)
  exp(log_ratio) * advantage - where(is_held, weight * abs(log_ratio), 0)
}

## Total variation of two policies that are told apart at the sampled token alone: `|p - q|`, a lower bound of the exact one,
## which is `tv(actor, other, y)`. Qi et al. 2026, "Rethinking the Trust Region in LLM Reinforcement Learning" (DPPO, binary).
fn binary_tv(logp: Real, behaviour: Real) -> Real = abs(exp(logp) - exp(behaviour))

## KL(q||p) of two policies that are told apart at the sampled token alone: `q log(q/p) + (1 - q) log((1 - q)/(1 - p))`, `q` the
## behaviour; nats. The 1 - p and 1 - q stand for 1e-8 more, as in verl, so that a token that is certain does not count as
## infinitely far. Qi et al. 2026 (DPPO, binary). The exact one is `kl(other, actor, y)`.
fn binary_kl(logp: Real, behaviour: Real) -> Real = {
  let q = exp(behaviour)
  q * (behaviour - logp) + (1 - q) * (log1p(0.00000001 - q) - log1p(0.00000001 - exp(logp)))
}

## Whether a token may be learned from: unless the policies are further apart than `limit` and the update would drive them further,
## `A > 0` with `r > 1` or `A < 0` with `r < 1`. `divergence` is any, `binary_tv` or exact. Another limit for good tokens than
## for bad: `where(A > 0, 0.2, 0.1)`. Qi et al. 2026.
fn is_trusted(divergence: Real, ratio: Real, advantage: Real, limit: Real) -> Bool =
  frozen(divergence) <= limit or (frozen(ratio) - 1) * advantage <= 0

## Divergence proximal policy optimisation: `r A` where the token `is_trusted`, and no gradient elsewhere. Qi et al. 2026.
fn dppo(ratio: Real, advantage: Real, divergence: Real, limit: Real) -> Real =
  where(is_trusted(divergence, ratio, advantage, limit), ratio * advantage, 0)

## DPPO with a ratio that is truncated at `cap` and frozen, times the log-probability: verl's `dppo_tv` and `dppo_kl` (20). Its
## gradient is that of `dppo` below the cap.
fn dppo_truncated(
  logp: Real,
  ratio: Real,
  advantage: Real,
  divergence: Real,
  limit: Real,
  cap: Real
) -> Real =
  where(
    is_trusted(divergence, ratio, advantage, limit),
    weighted_reinforce(logp, min(ratio, cap), advantage),
    0
  )

test "the fifth of highest entropy over all tokens is one of five" {
  let h = [[0.1, 2.0, 0.5], [1.5, 0.2]] @ token
  # the quantile 0.8 lies at 1.6, between 1.5 and 2.0
  expect top_quantile(h, 0.2, per: batch) == [[0, 1, 0], [0, 0]]
  expect top_quantile(h, 1, per: batch) == [[1, 1, 1], [1, 1]]
  expect mean(h, where: top_quantile(h, 0.2, per: batch)) == 2
}

test "over each sample every answer keeps its own" {
  let h = [[0.1, 2.0, 0.5], [1.5, 0.2]] @ token
  expect top_quantile(h, 0.2, per: sample) == [[0, 1, 0], [1, 0]]
  expect top_share(h, 0.2, per: sample) == [[0, 1, 0], [1, 0]]
}

test "by number a share is rounded down, to one at least" {
  let x = [[1, 4, 2], [3, 0]] @ token
  expect top_share(x, 0.1, per: batch) == [[0, 1, 0], [0, 0]]
  expect top_share(x, 0.4, per: batch) == [[0, 1, 0], [1, 0]]
  expect top_share(x, 0.59, per: batch) == [[0, 1, 0], [1, 0]]
  expect top_share(x, 0.6, per: batch) == [[0, 1, 1], [1, 0]]
}

test "a token left out has no gradient, and the mean is over the others" {
  let logp = live([[-1, -2, -3], [-1, -2]] @ token)
  let h = [[0.1, 2.0, 0.5], [1.5, 0.2]] @ token
  let forks = top_quantile(h, 0.4, per: batch)
  expect gradient(mean(logp, where: forks), of: logp) == [[0, 0.5, 0], [0.5, 0]]
  expect gradient(mean(where(forks, logp, 0)), of: logp) == [[0, 0.2, 0], [0.2, 0]] within 1e-12
}

test "the covariance weighs every token the same" {
  let logp = [[-1, -3], [-1, -1]] @ token
  let a = [1, -1] @ sample
  # means -1.5 and 0
  expect covariance(logp, a) == [[0.5, -1.5], [-0.5, -0.5]] within 1e-12
  # means -1.5 and 0.5 over 4 tokens
  expect covariance(logp, [[1, 1], [1, -1]] @ token) == [[0.25, -0.75], [0.25, -0.75]] within 1e-12
}

test "Clip-Cov lets go of the tokens that were drawn, and of no others" {
  let r = live([[1, 1, 1], [1.5, 1]] @ token)
  let c = [[2, 3, 9], [2, 0.5]] @ token
  let draw = [[0.7, 0.2, 0.1], [0.05, 0.01]] @ token
  # of the two that may go (2 and 3; the third is out of the window, the fourth cut by the clip), the smaller draw
  let one = clip_cov(r, 1, 0.8 .. 1.2, c, 1 .. 5, 0.2, draw)
  expect one == [[1, 0, 1], [1.2, 1]]
  expect gradient(sum(one), of: r) == [[1, 0, 1], [0, 1]]
  # with room for two, both
  expect clip_cov(r, 1, 0.8 .. 1.2, c, 1 .. 5, 0.4, draw) == [[0, 0, 1], [1.2, 1]]
  # a bad token is cut below alone
  expect clip_cov(r, -1, 0.8 .. 1.2, c, 1 .. 5, 0.2, draw) == [[-1, -1, -1], [0, -1]]
}

test "where nothing lies in the window Clip-Cov is the clip" {
  let r = [[1, 1, 1], [1.5, 0.5]] @ token
  let c = [[0, 0, 9], [0.2, 0.5]] @ token
  expect clip_cov(r, 1, 0.8 .. 1.2, c, 1 .. 5, 0.5, c / 10) == [[1, 1, 1], [1.2, 0.5]]
}

test "KL-Cov holds back where the covariance is largest" {
  let d = live([[0.5, 0], [-0.5, 0.25]] @ token)
  let c = [[3, 0], [2, 0.1]] @ token
  # half of four tokens: e^0.5 - 0.5 and e^-0.5 - 0.5
  expect kl_cov(d, 1, c, 0.5, 1) == [[1.1487212707, 1], [0.1065306597, 1.2840254167]] within 1e-9
  expect gradient(sum(kl_cov(d, 1, c, 0.5, 1)), of: d)
    == [[0.6487212707, 1], [1.6065306597, 1.2840254167]] within 1e-9
}

test "binary divergences compare the token with all others together" {
  # p 0.5, q 0.25
  expect binary_tv(-0.6931471806, -1.3862943611) == 0.25 within 1e-9
  # 0.25 log(1/2) + 0.75 log(3/2)
  expect binary_kl(-0.6931471806, -1.3862943611) == 0.1308120361 within 1e-7
  expect binary_kl(-0.6931471806, -0.6931471806) == 0 within 1e-12
  # a token that is certain for one of them: 0.5 log(1/2) + 0.5 log((0.5 + 1e-8) / 1e-8)
  expect binary_kl(0, -0.6931471806) == 8.5171931914 within 1e-6
  expect binary_kl(0, 0) == 0
}

test "DPPO stops tokens that are too far and would go further" {
  let r = live([2, 2, 0.5, 0.5, 1.1] @ sample)
  let a = [1, -1, 1, -1, 1] @ sample
  let d = [0.3, 0.3, 0.3, 0.3, 0.1] @ sample
  expect dppo(r, a, d, 0.2) == [0, -2, 0.5, 0, 1.1]
  expect gradient(sum(dppo(r, a, d, 0.2)), of: r) == [0, -1, 1, 0, 1]
  expect gradient(sum(dppo(r, a, d, where(a > 0, 0.2, 0.4))), of: r) == [0, -1, 1, -1, 1]
}

test "the truncated form has the gradient of DPPO up to its cap" {
  let logp = live([-1, -1, -1] @ sample)
  let r = exp(logp - [-1.5, -5, -0.5] @ sample)
  # e^0.5, and e^4 cut to 20; the third would go further down
  expect gradient(sum(dppo_truncated(logp, r, 1, 0.1, 0.2, 20)), of: logp)
    == [1.6487212707, 20, 0.6065306597] within 1e-9
  expect gradient(sum(dppo_truncated(logp, r, -1, 0.3, 0.2, 20)), of: logp)
    == [-1.6487212707, -20, 0] within 1e-9
  expect gradient(sum(dppo(r, 1, 0.1, 0.2)), of: logp)
    == [1.6487212707, 54.5981500331, 0.6065306597] within 1e-9
}

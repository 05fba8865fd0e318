## Surrogates and masks of whole answers. `log_ratio` is the live `log p - log q` of each token, in nats; `q` is the policy
## that the ratio is against. The ratio itself, `sequence_ratio`, is in `std.surrogate`. An answer without tokens is left out, as in
## verl; TRL, Liger and SkyRL count it as 0: `gspo(…) else 0` (its GMPO as -A).

import std.surrogate (clipped, sequence_ratio)

## The ratio of the whole answer as a product over its tokens, `exp(sum(log_ratio))`: exact, and without bound in the length
## (RL403). `sequence_ratio` is its root of order length.
fn product_ratio(log_ratio: Real @ token) -> Real @ sample = exp(sum(log_ratio, per: sample))

## GSPO: the clipped surrogate of `sequence_ratio`, one value for each answer; its bounds lie close to 1 (`0.9997 .. 1.0004`).
## Zheng et al. 2025, "Group Sequence Policy Optimization", equation 5. TRL: `importance_sampling_level="sequence"`.
fn gspo(log_ratio: Real @ token, advantage: Real, bounds: Bounds) -> Real @ sample =
  clipped(sequence_ratio(log_ratio), advantage, bounds)

## The sequence ratio as a value of each token, with the gradient of that token alone: `frozen(s) p / frozen(p)`.
## Zheng et al. 2025, equation 14.
fn token_sequence_ratio(logp: Real @ token, log_ratio: Real @ token) -> Real @ token =
  frozen(sequence_ratio(log_ratio)) * exp(logp - frozen(logp))

## GSPO's token form, for advantages that differ within an answer. Under `sequence_mean`, and with one advantage for each
## answer, it is `gspo` in value and gradient. Zheng et al. 2025, equation 13. verl's `gspo` is this form; it also caps the
## log-ratio at 10.
fn gspo_token(
  logp: Real @ token,
  log_ratio: Real @ token,
  advantage: Real,
  bounds: Bounds
) -> Real @ token = clipped(token_sequence_ratio(logp, log_ratio), advantage, bounds)

## Geometric-mean policy optimisation: each token's ratio is clipped where it would gain (above for `A > 0`, below for others),
## and the answer's is their geometric mean: `exp(mean(clipped log_ratio)) A`. Zhao et al. 2025 (GMPO). `bounds` are those of
## a token's ratio: what TRL and verl (`geo_mean`) write as the epsilons 0.4 and 0.4 is `exp(-0.4) .. exp(0.4)`.
fn gmpo(log_ratio: Real @ token, advantage: Real @ sample, bounds: Bounds) -> Real @ sample = {
  let kept = where(advantage > 0, min(log_ratio, log(bounds.high)), max(log_ratio, log(bounds.low)))
  sequence_ratio(kept) * advantage
}

## GSPO times the answer's length, so that no token of a long answer counts less.
## Liu et al. 2026, "Length-Unbiased Sequence Policy Optimization" (LUSPO).
fn luspo(log_ratio: Real @ token, advantage: Real @ sample, bounds: Bounds) -> Real @ sample =
  count(log_ratio, per: sample) * gspo(log_ratio, advantage, bounds)

## Whether an answer is kept: all whose advantage is not negative, and of the others those whose mean `log q - log p` is at most
## `threshold` nats a token, `q` being the policy that wrote them. DeepSeek-AI 2025, "DeepSeek-V3.2" (off-policy sequence
## mask); TRL's `off_policy_mask_threshold`. As a factor it keeps the answers in the mean; as `where:` it does not.
fn off_policy_mask(
  log_ratio: Real @ token,
  advantage: Real @ sample,
  threshold: Real
) -> Bool @ sample = advantage >= 0 or mean(-frozen(log_ratio), per: sample) <= threshold

test "the product ratio is the geometric mean to the power of the length" {
  let d = [[0.2, -0.2, 0.3], [0.1]] @ token
  expect product_ratio(d) == [1.3498588076, 1.1051709181] within 1e-9
  expect product_ratio(d) == exp(count(d, per: sample) * log(sequence_ratio(d))) within 1e-12
}

test "GSPO clips answers, not tokens: 1.2 and 1 / 1.2 make 1" {
  let d = [[0.1823215568, -0.1823215568], [0.1823215568]] @ token
  expect gspo(d, 1, 0.9 .. 1.1) == [1, 1.1] within 1e-9
  expect gspo(d, -1, 0.9 .. 1.1) == [-1, -1.2] within 1e-9
}

test "in GSPO all tokens of an answer share its fate" {
  let d = live([[0.1823215568, -0.1823215568], [0.1823215568]] @ token)
  # 1 / length within the bounds, nothing beyond
  expect gradient(sum(gspo(d, 1, 0.9 .. 1.1)), of: d) == [[0.5, 0.5], [0]] within 1e-9
  expect gradient(sum(gspo(d, -1, 0.9 .. 1.1)), of: d) == [[-0.5, -0.5], [-1.2]] within 1e-9
}

test "the token form of GSPO has its value and, as a mean over the answer, its gradient" {
  let logp = live([[-1, -0.5], [-2]] @ token)
  let d = logp - [[-1.1, -0.4], [-2.05]] @ token
  let a = [1, -0.5] @ sample
  expect gspo_token(logp, d, a, 0.9 .. 1.1) == gspo(d, a, 0.9 .. 1.1) within 1e-12
  # exp(0) / 2 for the first answer, -0.5 exp(0.05) for the second
  expect gradient(sum(mean(gspo_token(logp, d, a, 0.9 .. 1.1), per: sample)), of: logp)
    == [[0.5, 0.5], [-0.5256355482]] within 1e-9
  expect gradient(sum(gspo(d, a, 0.9 .. 1.1)), of: logp) == [[0.5, 0.5], [-0.5256355482]] within 1e-9
}

test "in the token form each token may have its own advantage" {
  let logp = live([[-1, -0.5]] @ token)
  let d = logp - [[-1.1, -0.4]] @ token
  let a = [[1, -2]] @ token
  expect gradient(sum(gspo_token(logp, d, a, 0.9 .. 1.1)), of: logp) == [[1, -2]] within 1e-12
}

test "GMPO takes the geometric mean of ratios that are clipped one by one" {
  let d = [[0.7, 0.1], [-0.7, 0.1]] @ token
  # a good answer: 0.7 is cut to 0.4, -0.7 is not; exp((0.4 + 0.1) / 2) and exp(-0.3)
  expect gmpo(d, 1, exp(-0.4) .. exp(0.4)) == [1.2840254167, 0.7408182207] within 1e-9
  # a bad one: -0.7 is cut to -0.4; exp(0.4) and exp(-0.15)
  expect gmpo(d, -1, exp(-0.4) .. exp(0.4)) == [-1.4918246976, -0.8607079764] within 1e-9
}

test "a token that GMPO has cut has no gradient, and the others still have theirs" {
  let d = live([[0.7, 0.1], [-0.7, 0.1]] @ token)
  # half of the answer's ratio for each token that was not cut
  expect gradient(sum(gmpo(d, 1, exp(-0.4) .. exp(0.4))), of: d)
    == [[0, 0.6420127083], [0.3704091103, 0.3704091103]] within 1e-9
}

test "LUSPO gives every token the weight that it has in an answer of one" {
  let d = live([[0, 0, 0, 0], [0]] @ token)
  let a = [1, -1] @ sample
  expect luspo(d, a, 0.9 .. 1.1) == [4, -1]
  expect gradient(sum(luspo(d, a, 0.9 .. 1.1)), of: d) == [[1, 1, 1, 1], [-1]] within 1e-12
}

test "the off-policy mask drops bad answers that the policy has left behind, and no others" {
  let d = [[-0.4, -0.2], [-0.4, -0.2], [-0.1, -0.1], [0.4]] @ token
  let a = [1, -1, -1, -1] @ sample
  expect off_policy_mask(d, a, 0.2) == [1, 0, 1, 1]
}

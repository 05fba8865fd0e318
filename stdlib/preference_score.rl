## Other scores of an answer in a preference loss: f-divergences in place of the reverse KL, length, and the weight of a
## pair.
##
## A score stands where the implicit reward stands: `dpo(score(win) - score(lose), beta)`. Nats; of the summed log-ratio
## of an answer, @ sample.

## The score under the forward KL, `1 - q/p`, of the log-ratio `log p - log q`; f'(t) = -1/t and a constant that a margin
## cancels. Wang et al. 2023, "Beyond Reverse KL: Generalizing Direct Preference Optimization with Diverse Divergence
## Constraints". TRL: `forward_kl`.
fn forward_kl_score(log_ratio: Real) -> Real = -expm1(-log_ratio)

## The score under the Jensen-Shannon divergence, `log(2 t / (1 + t))` of the ratio t. Ibid. TRL: `js_divergence`.
fn jensen_shannon_score(log_ratio: Real) -> Real = log(2) + log_sigmoid(log_ratio)

## The score under an alpha divergence, `(1 - t^-alpha) / alpha` of the ratio t, alpha in (0, 1). Ibid., whose alpha 0 is
## the reverse KL and 1 the forward one. TRL (`alpha_divergence`) writes `(t^(a - 1) - 1) / (a - 1)`: its coefficient a is 1
## - alpha.
fn alpha_score(log_ratio: Real, alpha: Real) -> Real = -expm1(-alpha * log_ratio) / alpha

## The summed log-ratio of an answer in which tokens beyond the `shared` length of the pair count by `weight`, in [0, 1]:
## `length_desensitized(k1(actor, ref, win), min(win.length, lose.length), 0.5)`. With weight 1 it is the implicit reward.
## Liu et al. 2024, "Length Desensitization in Direct Preference Optimization" (LD-DPO). TRL: `ld_alpha`.
fn length_desensitized(log_ratio: Real @ token, shared: Real, weight: Real) -> Real @ sample =
  sum(where(position(log_ratio) < shared, log_ratio, weight * log_ratio), per: sample)

## `log sum_v p(v)^2` over the vocabulary: how probable a token of the policy's own is on average, as its log. Nats @ token.
fn log_collision(p: Policy, y: Response) -> Real @ token =
  logz(p, y, temperature: 0.5) - 2 * logz(p, y)

## How much an answer looks like one of the policy's own, frozen: `exp(mean(log p - log sum_v p(v)^2))`, @ sample. A pair is
## weighted by the product: `wpo_weight(logp(actor, win), log_collision(actor, win)) * wpo_weight(…) * dpo(…)`.
## Zhou et al. 2024, "WPO: Enhancing RLHF with Weighted Preference Optimization", equation 2, sampled alignment.
## TRL: `use_weighting`, where an empty answer weighs 1; here it is absent.
fn wpo_weight(log_p: Real @ token, log_collision: Real @ token) -> Real @ sample =
  frozen(exp(mean(log_p - log_collision, per: sample)))

test "every score is 0 with slope 1 where the policy is the reference" {
  let d = live([0] @ sample)
  expect forward_kl_score(d) == [0] within 1e-12
  expect jensen_shannon_score(d) == [0] within 1e-12
  expect alpha_score(d, 0.3) == [0] within 1e-12
  expect gradient(sum(forward_kl_score(d)), of: d) == [1] within 1e-12
  expect gradient(sum(jensen_shannon_score(d)), of: d) == [0.5] within 1e-12
  expect gradient(sum(alpha_score(d, 0.3)), of: d) == [1] within 1e-12
}

test "an answer twice as likely scores 1/2, ln 4/3 and, at alpha 1/2, 2 - sqrt 2" {
  let d = 0.6931471805599453
  expect forward_kl_score(d) == 0.5 within 1e-12
  expect jensen_shannon_score(d) == 0.2876820725 within 1e-9
  expect alpha_score(d, 0.5) == 0.5857864376 within 1e-9
}

test "alpha 1 is the forward KL, and alpha near 0 the log-ratio" {
  let d = [-1, 0.5, 2] @ sample
  expect alpha_score(d, 1) == forward_kl_score(d) within 1e-12
  expect alpha_score(d, 0.00000001) == d within 1e-6
}

test "tokens beyond the shared length count by the weight" {
  # shared 2: 1 + 2 + 0.5 * 4, and 3 + 5
  let d = live([[1, 2, 4], [3, 5]] @ token)
  expect length_desensitized(d, 2, 0.5) == [5, 8]
  expect length_desensitized(d, 2, 1) == sum(d, per: sample)
  expect gradient(sum(length_desensitized(d, 2, 0.5)), of: d) == [[1, 1, 0.5], [1, 1]]
}

test "the weight is the geometric mean of how much likelier the tokens are than the policy's own, and frozen" {
  # p 0.5 of collision 0.5, and p 0.25 of collision 0.5: sqrt(1 * 0.5)
  let log_p = live([[-0.6931471806, -1.3862943611]] @ token)
  let collision = [[-0.6931471806, -0.6931471806]] @ token
  expect wpo_weight(log_p, collision) == [0.7071067812] within 1e-9
  expect gradient(sum(wpo_weight(log_p, collision)), of: log_p) == [[0, 0]]
}

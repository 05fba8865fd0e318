## Entropy of the policy, in nats per token: as a bonus, as a part of the advantage, and as a choice of tokens. The exact entropy
## over the vocabulary is a read, `entropy(actor, y)`; the bonus itself is `maximize bonus: 0.001 * mean(entropy(actor, y))`.
## Coefficients that follow the entropy are in `std.coefficient`.

import std.token_choice (top_quantile)

## The entropy's gradient from the sampled token alone: `-frozen(log p) log p`, whose expected gradient over own samples is that
## of the exact entropy. `-log p` estimates the entropy's value; maximised, its expected gradient is 0 (RL301).
fn sampled_entropy(logp: Real) -> Real = -frozen(logp) * logp

## Tokens at which the policy is undecided: the `share` of highest entropy among all tokens of the update batch. Goes into `where:`
## of a mean over tokens, so that the mean is over them alone. Wang et al. 2025, "Beyond the 80/20 Rule" (0.2).
fn forking_tokens(entropy: Real @ token, share: Real) -> Bool @ token =
  top_quantile(entropy, share, per: batch)

## The same with each answer's own share: every answer keeps its most undecided tokens, however sure it is.
fn forking_tokens_of_answer(entropy: Real @ token, share: Real) -> Bool @ token =
  top_quantile(entropy, share, per: sample)

## An advantage that is raised where the policy was undecided: `A + min(scale H, |A| / limit)` with H frozen. Since `limit` is above
## 1, no sign changes. Cheng et al. 2025, "Reasoning with Exploration: An Entropy Perspective" (scale 0.4, limit 2).
fn entropy_shaped(
  advantage: Real,
  entropy: Real @ token,
  scale: Real,
  limit: Real in (1, inf)
) -> Real @ token = advantage + min(scale * frozen(entropy), abs(advantage) / limit)

test "the sampled form follows the surprise of the token" {
  let logp = live([-1, -3] @ sample)
  expect gradient(sum(sampled_entropy(logp)), of: logp) == [1, 3]
  expect sampled_entropy(logp) == [-1, -9]
}

test "over all its samples the sampled form has the gradient of the entropy" {
  # p = (1/2, 1/4, 1/4) by its logits: dH/dx_j = -p_j (log p_j + H), H = 1.0397207708
  let x = live([[0.6931471806], [0], [0]] @ token)
  let p = [[0.5], [0.25], [0.25]] @ token
  let logp = x - log(sum(exp(x)))
  expect gradient(sum(p * sampled_entropy(logp)), of: x)
    == [[-0.1732867951], [0.0866433976], [0.0866433976]] within 1e-9
  expect gradient(-sum(exp(logp) * logp), of: x)
    == [[-0.1732867951], [0.0866433976], [0.0866433976]] within 1e-9
}

test "a sure answer has no token among those of the batch, and one among its own" {
  let h = [[2.0, 1.0, 1.5], [0.1, 0.2, 0.1]] @ token
  # the quantile 0.8 of six is the fifth: 1.5 of all tokens
  expect forking_tokens(h, 0.2) == [[1, 0, 1], [0, 0, 0]]
  expect forking_tokens_of_answer(h, 0.2) == [[1, 0, 0], [0, 1, 0]]
}

test "the advantage rises with the entropy, up to half of itself" {
  let h = [[0.5, 3.0], [3.0, 3.0]] @ token
  let a = [1, -1] @ sample
  expect entropy_shaped(a, h, 0.4, 2) == [[1.2, 1.5], [-0.5, -0.5]] within 1e-12
}

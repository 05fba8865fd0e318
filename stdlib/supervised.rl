## Learning from given answers: negative log-likelihood, weighted and filtered, and its opposite. Nats.

import std.aggregate (token_mean, sequence_mean)

## Negative log-likelihood of the tokens of an answer. TRL: `nll`, averaged as `nll_token_mean` is.
fn nll(p: Policy, y: Response) -> Real @ token = -logp(p, y)

## NLL in which every token of the update batch counts the same.
fn nll_token_mean(p: Policy, y: Response) -> Real = token_mean(nll(p, y))

## NLL in which every answer counts the same.
fn nll_sequence_mean(p: Policy, y: Response) -> Real = sequence_mean(nll(p, y))

## Weighted NLL over all tokens: `sum(weight * -log p) / tokens`. No gradient flows through the weight; tokens of weight 0
## count in the mean.
fn weighted_nll_token_mean(log_p: Real @ token, weight: Real) -> Real =
  token_mean(-frozen(weight) * log_p)

## Weighted NLL in which every answer counts the same, whatever its length. Answers of weight 0 count in the mean.
fn weighted_nll_sequence_mean(log_p: Real @ token, weight: Real) -> Real =
  sequence_mean(-frozen(weight) * log_p)

## Rejection sampling fine-tuning: NLL of the accepted answers alone, every one of their tokens counting the same.
## `rft(logp(actor, y), correct == 1)`. Yuan et al. 2023, "Scaling Relationship on Learning Mathematical Reasoning".
## Absent where nothing is accepted.
fn rft(log_p: Real @ token, accepted: Bool) -> Real = -mean(log_p, where: accepted)

## Reward-ranked fine-tuning: NLL of the best answer to each prompt, the first of ties. Dong et al. 2023, "RAFT".
fn raft(log_p: Real @ token, reward: Real @ sample) -> Real =
  rft(log_p, top(reward, 1, per: prompt))

## The weight of advantage-weighted regression, frozen: `min(exp(advantage / temperature), cap)`, for
## `weighted_nll_token_mean` or `weighted_nll_sequence_mean`. Peng et al. 2019, "Advantage-Weighted Regression", whose cap
## is 20. Of a reward in place of the advantage it is reward-weighted regression (RWR).
fn awr_weight(advantage: Real, temperature: Real, cap: Real) -> Real =
  frozen(min(exp(advantage / temperature), cap))

## Dynamic fine-tuning: NLL weighted by the frozen probability of the token itself, so that the gradient is that of the
## probability and improbable tokens do not dominate. Wu et al. 2025, "On the Generalization of SFT: A Reinforcement
## Learning Perspective with Reward Rectification". TRL: `dft`, averaged over all tokens.
fn dft(log_p: Real @ token) -> Real @ token = -frozen(exp(log_p)) * log_p

## `log(1 - p)` of a log-probability, without cancellation on either side of p = 1/2.
fn log_complement(log_p: Real) -> Real =
  where(log_p < -0.6931471805599453, log1p(-exp(log_p)), log(-expm1(log_p)))

## `-log(1 - p)`: unwanted tokens become less likely. Welleck et al. 2020, "Neural Text Generation with Unlikelihood
## Training".
fn unlikelihood(log_p: Real) -> Real = -log_complement(log_p)

test "a token of weight 0 counts in the mean, one that is not accepted does not" {
  # (2 * 1 + 0 * 3 + 2 * 2) / 3, and (1 + 2) / 2
  let log_p = live([[-1, -3], [-2]] @ token)
  let weight = [[2, 0], [2]] @ token
  expect weighted_nll_token_mean(log_p, weight) == 2
  expect rft(log_p, weight > 0) == 1.5
  expect gradient(weighted_nll_token_mean(log_p, weight), of: log_p)
    == [[-0.6666666667, 0], [-0.6666666667]] within 1e-9
  expect gradient(rft(log_p, weight > 0), of: log_p) == [[-0.5, 0], [-0.5]] within 1e-12
}

test "by sequences, a long answer counts as much as a short one" {
  # answers of 1 and 3 tokens: (2 * 4 + 1 * (1 + 2 + 3) / 3) / 2
  let log_p = live([[-4], [-1, -2, -3]] @ token)
  let weight = [2, 1] @ sample
  expect weighted_nll_sequence_mean(log_p, weight) == 5
  expect gradient(weighted_nll_sequence_mean(log_p, weight), of: log_p)
    == [[-1], [-0.1666666667, -0.1666666667, -0.1666666667]] within 1e-9
}

test "no gradient flows through a live weight" {
  # -log_p * exp(log_p) would have one
  let log_p = live([[-1]] @ token)
  expect gradient(weighted_nll_token_mean(log_p, exp(log_p)), of: log_p)
    == [[-0.3678794412]] within 1e-9
}

test "RAFT learns the best answer to each prompt" {
  # two prompts of two answers: the second and the first, (2 + 3 + 5) / 3
  let log_p = [[[-1], [-2, -3]], [[-5], [-7]]] @ token
  let reward = [[0.1, 0.9], [0.4, 0.4]] @ sample
  expect raft(log_p, reward) == 3.3333333333 within 1e-9
}

test "the weight of AWR is the exponential, up to the cap" {
  expect awr_weight(0, 0.5, 20) == 1
  expect awr_weight(0.5, 0.5, 20) == 2.7182818285 within 1e-9
  expect awr_weight(5, 0.5, 20) == 20
}

test "the gradient of DFT is that of the probability" {
  # -p log p at p = 1/2 and 1/4; slope -p
  let log_p = live([[-0.6931471806, -1.3862943611]] @ token)
  expect dft(log_p) == [[0.3465735903, 0.3465735903]] within 1e-9
  expect gradient(sum(dft(log_p)), of: log_p) == [[-0.5, -0.25]] within 1e-9
}

test "log_complement is log(1 - p) near 0, at 1/2 and near 1" {
  # p = 1e-20, 1/2, 1 - 1e-12
  let log_p = [-46.0517018599, -0.6931471806, -0.000000000001] @ sample
  expect log_complement(log_p) / [-0.00000000000000000001, -0.6931471806, -27.6310211159] @ sample
    == [1, 1, 1] within 1e-9
}

test "unlikelihood lowers an unwanted token by its odds" {
  # -log(1 - 1/4), slope p / (1 - p)
  let log_p = live([[-1.3862943611, -0.6931471806]] @ token)
  expect unlikelihood(log_p) == [[0.2876820725, 0.6931471806]] within 1e-9
  expect gradient(sum(unlikelihood(log_p)), of: log_p) == [[0.3333333333, 1]] within 1e-9
}

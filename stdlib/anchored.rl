## Losses over pairs that say where each of the two answers should go, not only how far apart they should be.
##
## `chosen` and `rejected` are implicit rewards: summed log-ratios against the reference, nats, not yet times beta
## (`implicit_reward` of `preference`). DPO lets both answers become less likely, as long as the other does so faster.

## Noise contrastive alignment of a pair: `-log sigmoid(r) - (log sigmoid(-r) + log sigmoid(-s)) / 2`, r and s being beta
## times `chosen` and `rejected`. Chen et al. 2024, "Noise Contrastive Alignment of Language Models with Explicit Rewards",
## the loss for preferences; the paper's alpha is beta. TRL: `nca_pair`.
fn nca(chosen: Real, rejected: Real, beta: Real) -> Real =
  -log_sigmoid(beta * chosen) - (log_sigmoid(-beta * chosen) + log_sigmoid(-beta * rejected)) / 2

## Binary classification of a pair: `-log sigmoid(beta * chosen) - log sigmoid(-beta * rejected)`; an upper bound of DPO.
## Jung et al. 2024, "Binary Classifier Optimization for Large Language Model Alignment", for pairs and without the reward
## shift, which `bco` of `unpaired` has. TRL: `bco_pair`.
fn bco_pair(chosen: Real, rejected: Real, beta: Real) -> Real =
  -log_sigmoid(beta * chosen) - log_sigmoid(-beta * rejected)

## The chosen answer should gain and the other lose: `(1 - sigmoid(beta * chosen)) + sigmoid(beta * rejected)`, for answers
## that are better than the policy's own. D'Oosterlinck et al. 2024, "Anchored Preference Optimization", equation 7. TRL:
## `apo_zero`.
fn apo_zero(chosen: Real, rejected: Real, beta: Real) -> Real =
  sigmoid(-beta * chosen) + sigmoid(beta * rejected)

## Both answers should lose, the rejected one more: `sigmoid(beta * chosen) + (1 - sigmoid(beta * (chosen - rejected)))`,
## for answers that are worse than the policy's own. Ibid., equation 8. TRL: `apo_down`.
fn apo_down(chosen: Real, rejected: Real, beta: Real) -> Real =
  sigmoid(beta * chosen) + sigmoid(-beta * (chosen - rejected))

test "where the policy is the reference, each costs what its constants say" {
  # nca and bco: 2 ln 2; apo: 1/2 + 1/2
  expect nca(0, 0, 0.1) == 1.3862943611 within 1e-9
  expect bco_pair(0, 0, 0.1) == 1.3862943611 within 1e-9
  expect apo_zero(0, 0, 0.1) == 1
  expect apo_down(0, 0, 0.1) == 1
}

test "NCA raises the chosen answer by beta / 4 and lowers the other by beta / 4" {
  # by chosen: -beta/2 + beta/4; by rejected: beta/4
  let chosen = live([0] @ sample)
  let rejected = live([0] @ sample)
  let loss = sum(nca(chosen, rejected, 0.1))
  expect gradient(loss, of: chosen) == [-0.025] within 1e-12
  expect gradient(loss, of: rejected) == [0.025] within 1e-12
}

test "NCA wants the chosen answer at ln 2 / beta, no higher" {
  # by chosen: beta (-(1 - s) + s / 2), s being sigmoid(beta * chosen): 0 at 2/3 = sigmoid(ln 2)
  let chosen = live([0.6931471806] @ sample)
  expect gradient(sum(nca(chosen, 0, 1)), of: chosen) == [0] within 1e-9
}

test "BCO of a pair bounds DPO from above" {
  # ln(1 + exp(-0.2)) + ln(1 + exp(-0.3)), and DPO's ln(1 + exp(-0.5))
  expect bco_pair(2, -3, 0.1) == 1.1524941133 within 1e-9
  let chosen = [2, -1, 0.5] @ sample
  let rejected = [-3, 1, 2] @ sample
  expect bco_pair(chosen, rejected, 0.1) > softplus(-0.1 * (chosen - rejected))
}

test "APO zero raises the chosen answer and lowers the other, by at most beta / 4" {
  let chosen = live([0, 30] @ sample)
  let rejected = live([0, -30] @ sample)
  let loss = sum(apo_zero(chosen, rejected, 1))
  expect gradient(loss, of: chosen) == [-0.25, 0] within 1e-12
  expect gradient(loss, of: rejected) == [0.25, 0] within 1e-12
}

test "APO down lowers the rejected answer, and the chosen one too once they are apart" {
  # at chosen 0, margin ln 3: by chosen 1/4 - 3/16, by rejected 3/16
  let chosen = live([0] @ sample)
  let rejected = live([-1.0986122887] @ sample)
  let loss = sum(apo_down(chosen, rejected, 1))
  expect loss == 0.75 within 1e-9
  expect gradient(loss, of: chosen) == [0.0625] within 1e-9
  expect gradient(loss, of: rejected) == [0.1875] within 1e-9
}

## Advantages that treat right and wrong answers, or good and bad ones, differently: by sign alone, without a baseline.

## `right` where the outcome is positive, `-wrong` elsewhere; outcomes are 0 and 1, or -1 and 1. With 1 and 1 it is REINFORCE
## without a baseline. Zhu et al. 2025, "The Surprising Effectiveness of Negative Reinforcement in LLM Reasoning".
fn by_outcome(outcome: Real, right: Real, wrong: Real) -> Real = where(outcome > 0, right, -wrong)

## Positive sample reinforcement: right answers alone. Zhu et al. 2025. The authors' code takes wrong answers out of the batch; so
## does `where: outcome > 0` in the mean.
fn psr(outcome: Real) -> Real = by_outcome(outcome, 1, 0)

## Negative sample reinforcement: wrong answers alone; probability moves from what was wrong to everything else, in proportion to
## what it has. Zhu et al. 2025. The authors' code takes right answers out of the batch; so does `where: outcome <= 0`.
fn nsr(outcome: Real) -> Real = by_outcome(outcome, 0, 1)

## Weighted REINFORCE: right answers by `weight`, wrong ones in full. Zhu et al. 2025 (0.1).
fn w_reinforce(outcome: Real, weight: Real) -> Real = by_outcome(outcome, weight, 1)

## An advantage whose positive and negative parts are weighted each on their own: `above max(A, 0) + below min(A, 0)`.
## With 0 for one of them it is the other part alone.
fn reweighted(advantage: Real, above: Real, below: Real) -> Real =
  where(advantage > 0, above, below) * advantage

test "right and wrong answers under each of the three" {
  let r = [1, 0] @ sample
  expect psr(r) == [1, 0]
  expect nsr(r) == [0, -1]
  expect w_reinforce(r, 0.1) == [0.1, -1]
  expect w_reinforce(r, 1) == psr(r) + nsr(r)
  expect w_reinforce([1, -1] @ sample, 0.1) == [0.1, -1]
}

test "negative reinforcement moves probability to all others, in proportion to what they have" {
  # p = (0.5, 0.3, 0.2), the first is sampled and wrong: the ascent on the logits is (-(1 - 0.5), 0.3, 0.2)
  let x = live([[0.9162907319], [0.4054651081], [0]] @ token)
  let sampled = [[1], [0], [0]] @ token
  let logp = sum(sampled * x) - log(sum(exp(x)))
  expect gradient(nsr(0) * logp, of: x) == [[-0.5], [0.3], [0.2]] within 1e-9
}

test "an answer that is right teaches nothing under negative reinforcement" {
  let logp = live([-1, -2] @ sample)
  expect gradient(mean(nsr([1, 1] @ sample) * logp), of: logp) == [0, 0]
}

test "the parts of an advantage, weighted each on its own" {
  let a = [2, -2, 0] @ sample
  expect reweighted(a, 0.5, 1) == [1, -2, 0]
  expect reweighted(a, 0, 1) == [0, -2, 0]
}

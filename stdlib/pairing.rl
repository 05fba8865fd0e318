## Pairs out of a group of samples: the best and the worst by a score, for preference losses over rollouts.

## The value of the member with the highest score of its group, the first of ties; members without a score are left out, and a
## group that has none is absent. `per` is above the level of both.
## `dpo(of_best(s, reward, per: prompt) - of_worst(s, reward, per: prompt), beta)` is online DPO over best and worst.
## On a tie of all both are the first, and there is no pair; TRL's online DPO then prefers the first.
fn of_best(x: Real, score: Real, per: Level) -> Real =
  mean(x, per: per, where: top(score, 1, per: per) and not is_missing(score))

## The value of the member with the lowest score of its group, the first of ties.
fn of_worst(x: Real, score: Real, per: Level) -> Real = of_best(x, -score, per: per)

## Whether best and worst of a group differ by more than `gap`; where they do not, a pair says nothing. For the `where:` of
## a mean.
fn is_apart(score: Real, gap: Real, per: Level) -> Bool =
  max(score, per: per) - min(score, per: per) > gap

## How far a member stands above members of its group with a higher score: `sum max(0, x - other)` over those, @ sample.
## With mean log-probabilities for x, and `nll` of the best, it is Yuan et al. 2023, "RRHF: Rank Responses to Align Language
## Models with Human Feedback without tears".
fn ranking_hinge(x: Real @ sample, score: Real @ sample, per: Level) -> Real @ sample = {
  let rival = others(x, per: per)
  let is_better = others(score, per: per) > spread(score, to: rival)
  sum(where(is_better, relu(spread(x, to: rival) - rival), 0), per: sample)
}

test "the best and the worst of four, and of two equal ones the first both times" {
  let score = [[0.1, 0.9, -0.3, 0.4], [1, 1]] @ sample
  let x = live([[10, 20, 30, 40], [50, 60]] @ sample)
  expect of_best(x, score, per: prompt) == [20, 50]
  expect of_worst(x, score, per: prompt) == [30, 50]
  expect gradient(sum(of_best(x, score, per: prompt)), of: x) == [[0, 1, 0, 0], [1, 0]]
}

test "members without a score are in no pair" {
  let score = [[1, absent, 3, 2], [absent, absent]] @ sample
  let x = [[10, 20, 30, 40], [50, 60]] @ sample
  expect (of_best(x, score, per: prompt) else -1) == [30, -1]
  expect (of_worst(x, score, per: prompt) else -1) == [10, -1]
}

test "a pair is apart by more than the gap" {
  let score = [[0.1, 0.9, -0.3, 0.4], [1, 1]] @ sample
  let told = where(is_apart(score, 0, per: prompt), 1, 0)
  expect told == [1, 0]
  expect where(is_apart(score, 1.2, per: prompt), 1, 0) == [0, 0]
  expect mean(of_best(score, score, per: prompt), where: is_apart(score, 0, per: prompt)) == 0.9
}

test "answers in the order of their scores cost nothing, in reverse each inversion costs its size" {
  # 1 + 1 + 2 for -1 above -2, -2 above -3, -1 above -3
  let x = live([-1, -2, -3] @ sample)
  expect sum(ranking_hinge(x, [3, 2, 1] @ sample, per: prompt)) == 0
  let reversed = ranking_hinge(x, [1, 2, 3] @ sample, per: prompt)
  expect reversed == [3, 1, 0]
  expect gradient(sum(reversed), of: x) == [2, 0, -2]
}

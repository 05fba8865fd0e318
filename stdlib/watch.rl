## The watch over rewards as expressions, for `guard`s: what `watch/…` logs of every reward, and more of its kind. Each gives one number
## of all that the iteration drew; absent values are left out, and what is not defined is absent (a guard then holds).
##
## `guard correlation(total, y.length) < 0.8 else stop`, `guard saturation(style, 0, 1) < 0.9 else warn`. With states for where a run
## began, drift from a held-out reward:
##
## `state total_first: Real = 0   total_first <- at_start(mean(total), total_first)`, the same for `honest`, and
## `guard moved(total, at_start(mean(total), total_first), 0.3) - moved(honest, at_start(mean(honest), honest_first), 0.3) < 2 else stop`.

# ------------------------------------------------------------------ correlation
## Pearson's correlation of two values over all their places, in [-1, 1]; of two levels, over the places of the finer one. Absent where
## one of them does not vary. Of a reward and a length it says how far the reward is paid by the word: Singhal et al. 2023, "A Long Way
## to Go: Investigating Length Correlations in RLHF".
fn correlation(x: Real, y: Real) -> Real = {
  let there = not (is_missing(x) or is_missing(y))
  let dx = x - mean(x, where: there)
  let dy = y - mean(y, where: there)
  let size = sqrt(mean(dx ^ 2, where: there)) * sqrt(mean(dy ^ 2, where: there))
  where(size > 0, clip(mean(dx * dy, where: there) / max(size, 1e-30), -1 .. 1), absent)
}

## Spearman's rank correlation, in [-1, 1]: of values of the same level, with mean ranks for ties. It sees any rising relation, and is
## not moved by outliers.
fn rank_correlation(x: Real, y: Real) -> Real = {
  let there = not (is_missing(x) or is_missing(y))
  correlation(mid_rank(where(there, x, absent)), mid_rank(where(there, y, absent)))
}

## The place of each value among all, from 0 on; of equal values the mean of their places.
fn mid_rank(x: Real) -> Real =
  where(
    is_missing(x),
    absent,
    (
      rank(x, per: batch)
        + sum(where(is_missing(x), 0, 1))
        - 1
        - rank(x, per: batch, descending: true)
    )
      / 2
  )

# ------------------------------------------------------------------ what a reward no longer tells
## Of the ends of a range the share of values at the more frequent one, in [0, 1]: at 1 the reward tells no two answers apart.
fn saturation(x: Real, low: Real, high: Real) -> Real =
  max(
    mean(where(is_missing(x), absent, where(x <= low, 1, 0))),
    mean(where(is_missing(x), absent, where(x >= high, 1, 0)))
  )

## The share of groups in which all values are the same, in [0, 1], of the groups of two values or more: `no_signal(total, per: prompt)`.
fn no_signal(x: Real, per: Level) -> Real =
  mean(
    where(count(x, per: per) > 1, where(max(x, per: per) - min(x, per: per) > 1e-9, 0, 1), absent)
  )

## How far the members of an ensemble are apart: their standard deviation (over n) at each place, averaged over all places, in the
## unit of the scores. `disagreement(each(score(a, y), score(b, y)), per: sample)`. An answer that no member has seen the like of is one
## on which they disagree: Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization".
fn disagreement(members: Real, per: Level) -> Real = mean(std_population(members, per: per))

# ------------------------------------------------------------------ drift
## The value at the first iteration, for a state that keeps it: `first <- at_start(mean(total), first)`. `done` are the iterations that
## are done.
fn at_start(now: Real, kept: Real, done: Real = iteration()) -> Real = where(done < 1, now, kept)

## A mean that follows slowly, for a state: `(1 - rate) kept + rate now`, and `now` at the first iteration.
fn slow_mean(now: Real, kept: Real, rate: Real, done: Real = iteration()) -> Real =
  where(done < 1, now, (1 - rate) * kept + rate * now)

## How far the mean of a reward has moved from `start`, in units of `scale` (its standard deviation when the run began, say). A trained
## reward that moves further than one that is held out is being gamed: Gao et al. 2022, "Scaling Laws for Reward Model
## Overoptimization", compare a proxy with a gold reward so.
fn moved(x: Real, start: Real, scale: Real) -> Real = (mean(x) - start) / scale

test "a straight line, a falling one, and no line at all" {
  let x = [[1, 2, 3], [4]] @ sample
  expect correlation(x, 2 * x + 1) == 1 within 1e-12
  expect correlation(x, -x) == -1 within 1e-12
  # deviations -1.5, -0.5, 0.5, 1.5 and 1, -1, -1, 1: the products add up to 0
  expect correlation(x, [[1, -1, -1], [1]] @ sample) == 0 within 1e-12
  expect (correlation(x, 5) else -9) == -9
}

test "what is absent in one is left out of both" {
  let x = [1, 2, absent, 4, 9] @ sample
  let y = [2, 4, 7, 8, absent] @ sample
  expect correlation(x, y) == 1 within 1e-12
  expect rank_correlation(x, y) == 1 within 1e-12
}

test "values of two levels meet at the finer one" {
  let x = [[1, 2], [3]] @ token
  let y = [1, 3] @ sample
  # over three tokens: x deviates by -1, 0, 1 and y by -2/3, -2/3, 4/3: 2 / sqrt(2 * 8 / 3)
  expect correlation(x, y) == 0.8660254038 within 1e-9
}

test "ranks do not see how far, and share a place between equals" {
  let x = [1, 2, 3, 1000] @ sample
  expect rank_correlation(x, [1, 4, 9, 16] @ sample) == 1 within 1e-12
  expect mid_rank([5, 1, 5, 7] @ sample) == [1.5, 0, 1.5, 3]
  # places 0 1 2 3 against 0, 1.5, 1.5, 3: 4.5 / sqrt(5 * 4.5)
  expect rank_correlation(x, [0, 1, 1, 2] @ sample) == 0.9486832981 within 1e-9
}

test "four of five answers have all that there is" {
  let x = [[1, 1, 1], [1, 0.5]] @ sample
  expect saturation(x, 0, 1) == 0.8 within 1e-12
  expect saturation(x, 0.5, 2) == 0.2 within 1e-12
}

test "a reward that is absent is at no end" {
  expect saturation([1, absent, 0.5] @ sample, 0, 1) == 0.5
}

test "a lone answer says nothing of whether its group has a signal" {
  expect no_signal([[1, 1], [0, 1], [1]] @ sample, per: prompt) == 0.5
}

test "two members are apart by half their distance" {
  let a = [1, 2] @ sample
  let b = [3, 2] @ sample
  expect disagreement(each(a, b), per: sample) == 0.5
}

test "what a run began with is kept" {
  expect at_start(5, 2, done: 0) == 5
  expect at_start(5, 2, done: 7) == 2
  expect slow_mean(5, 2, 0.1, done: 7) == 2.3 within 1e-12
  expect moved([1, 2, 3] @ sample, 1, 0.5) == 2
}

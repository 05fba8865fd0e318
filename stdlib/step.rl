## Values per step of an answer: `let s = split(y.text, at: "\n\n")`, and whatever is said of `s`. A value per token is reduced to
## its step with `per: step`, one per step spreads to its tokens by itself; `std.returns` and `std.advantage` take steps as they
## take tokens.

import std.group (process_advantage)
import std.returns (gae, returns)

## A value per step at the last token of its step, 0 at all others; that of a step without a token stands nowhere. `like` is any
## value per token of the answers.
fn at_step_ends(x: Real @ step, like: Real @ token) -> Real @ token = {
  let place = spread(position(x), to: like)
  where(next(place, fill: -1) != place, x, 0)
}

## The importance ratio of each step: `exp(mean of the log-ratio)` over its tokens. GSPO's ratio (Zheng et al. 2025), of steps instead
## of answers; its coupling level is the step.
fn step_ratio(log_ratio: Real @ token) -> Real @ step = exp(mean(log_ratio, per: step))

## What each step adds to the chance of success: `x_k - x_{k-1}`, the first over `before`, what was known before it. Setlur et al.
## 2024, "Rewarding Progress" (process advantages); a sum over the steps is the last value less `before`.
fn progress(x: Real @ step, before: Real) -> Real @ step = x - prev(x, fill: before)

## The product of the steps' values: that all of them are right, if each is the chance that its step is. Lightman et al. 2023, "Let's
## Verify Step by Step". Values lie in (0, 1].
fn all_right(x: Real @ step) -> Real @ sample = exp(sum(log(x), per: sample))

## An outcome dealt out to the steps in proportion to `share`; equally where all shares are 0. The parts add up to the outcome.
fn dealt_out(outcome: Real @ sample, share: Real @ step) -> Real @ step =
  outcome
  * where(
    sum(share, per: sample) > 0,
    share / sum(share, per: sample),
    1 / count(share, per: sample)
  )

test "returns, errors and advantages of steps are those of tokens, step by step" {
  let r = [[1, 2], [3, 0]] @ step
  let v = [[0.5, 1], [2, 4]] @ step
  expect returns(r, 0.5) == [[2, 2], [3, 0]]
  # 1 + 1 - 0.5 and 2 - 1; 3 + 4 - 2 and 0 - 4
  expect gae(r, v, discount: 1, lambda: 0) == [[1.5, 1], [5, -4]]
  expect gae(r, v, discount: 1, lambda: 1) == [[2.5, 1], [1, -4]]
  # (r - 1.5) / sqrt(5/3), summed from the end
  expect process_advantage(r, 0) == [[0, 0.3872983346], [0, -1.1618950039]] within 1e-9
}

test "three steps of five tokens: their values stand at their last tokens" {
  let like = [[[[0, 0], [0], [0, 0]]]] @ token
  let x = [[[5, 7, 9]]] @ step
  expect at_step_ends(x, like) == [[0, 5, 7, 0, 9]]
}

test "a step without a token has no place among them" {
  let like = [[[[0, 0], [], [0]]]] @ token
  expect at_step_ends([[[5, 7, 9]]] @ step, like) == [[0, 5, 9]]
}

test "a ratio of steps is the geometric mean of its tokens'" {
  let l = live([[[[0.2, 0.4], [-0.1]]]] @ token)
  expect step_ratio(l) == [[[1.3498588076, 0.9048374180]]] within 1e-9
  # each token of the first step carries half of exp(0.3), the one of the second all of exp(-0.1)
  expect gradient(sum(step_ratio(l)), of: l)
    == [[0.6749294038, 0.6749294038, 0.9048374180]] within 1e-9
}

test "progress adds up to what was gained" {
  let chance = [[0.5, 0.25, 1], [0.5]] @ step
  expect progress(chance, 0.25) == [[0.25, -0.25, 0.75], [0.25]]
  expect sum(progress(chance, 0.25), per: sample) == [0.75, 0.25]
}

test "two steps of 0.5 and 0.8 are both right with 0.4" {
  expect all_right([[0.5, 0.8], [1]] @ step) == [0.4, 1] within 1e-12
}

test "an outcome of 6 dealt out 2 to 1, and equally where nothing is said" {
  let share = [[2, 1], [0, 0]] @ step
  expect dealt_out([6, 6] @ sample, share) == [[4, 2], [3, 3]]
}

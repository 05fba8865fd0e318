## What verdicts on the steps of an answer are worth: as one number, as rewards of steps, of tokens.
##
## A process reward is a number in [0, 1] @ step, the chance that the step is right, over `s = split(y.text, …)`: of a judge,
## `prm(grader, s, question: …)`; of a scorer, `sigmoid(prm(rm, s, question: …))`; of a policy, the implicit one, a sigmoid of
## `beta sum(log p - log p_ref, per: step)`. What is @ step may be used beside token values: each token lies in one step.

import std.group (process_advantage)
import std.returns (gae, returns)

## The chance that all steps are right, if they are independent: the product. Lightman et al. 2023, "Let's Verify Step by Step".
fn product(right: Real @ step) -> Real @ sample = exp(sum(log(right), per: sample))

## The least sure step. Ibid., and Wang et al. 2024, "Math-Shepherd"; `mean(right, per: sample)` and `last(right, per: sample)` are
## the language's own.
fn weakest(right: Real @ step) -> Real @ sample = min(right, per: sample)

## What a step adds to what was there before it: `right_t - right_{t-1}`, the first step to `start`. Setlur et al. 2024, "Rewarding
## Progress": with `right` the chance of success after a step, and scaled, it is their process advantage. The steps of an answer
## add up to its last value less `start`.
fn progress(right: Real @ step, start: Real) -> Real @ step =
  right - prev(right, fill: start, per: sample)

## Shaping by a potential, that moves no optimal policy: `discount potential_{t+1} - potential_t` for what is done at step t, the
## potential after the last step being 0. Ng, Harada and Russell 1999.
fn potential_shaping(potential: Real @ step, discount: Real) -> Real @ step =
  discount * next(potential, fill: 0, per: sample) - potential

## The reward of a whole answer, divided among its steps by weights that are not below 0; alike where all are 0. The steps of an
## answer get all of it: return decomposition (Arjona-Medina et al. 2019, "RUDDER") with given shares.
fn redistributed(total: Real @ sample, weight: Real @ step) -> Real @ step = {
  let whole = sum(weight, per: sample)
  where(whole > 0, total * weight / max(whole, 1e-30), total / count(weight, per: sample))
}

## The credit of CAPO for each token: `whole outcome - process` where its step is judged wrong, `whole outcome` elsewhere. Xie et
## al. 2025, "CAPO": whole 2, process 1.
fn capo(outcome: Real @ sample, right: Real @ step, whole: Real, process: Real) -> Real @ step =
  whole * outcome - process * where(right < 0.5, 1, 0)

## A value per step at the last token of its step, 0 at all others; that of a step without a token stands nowhere. `like` is any
## value per token of the answers.
fn at_step_ends(x: Real @ step, like: Real @ token) -> Real @ token = {
  let place = spread(position(x), to: like)
  where(next(place, fill: -1) != place, x, 0)
}

## The importance ratio of each step: `exp(mean of the log-ratio)` over its tokens. GSPO's ratio (Zheng et al. 2025), of steps instead
## of answers; its coupling level is the step.
fn step_ratio(log_ratio: Real @ token) -> Real @ step = exp(mean(log_ratio, per: step))

test "products, the weakest step, progress" {
  let right = [[1, 0.5, 0.8], [0.25]] @ step
  expect product(right) == [0.4, 0.25] within 1e-12
  expect weakest(right) == [0.5, 0.25]
  expect progress(right, 0.5) == [[0.5, -0.5, 0.3], [-0.25]] within 1e-12
  expect sum(progress(right, 0.5), per: sample) == [0.3, -0.25] within 1e-12
}

test "a step that is surely wrong makes the product 0" {
  let right = [[1, 0, 0.8]] @ step
  expect product(right) == [0]
}

test "shaping by a potential telescopes: discounted, it is minus the first potential" {
  let potential = [[2, 3, 1], [5]] @ step
  expect potential_shaping(potential, 0.5) == [[-0.5, -2.5, -1], [-5]]
  # -0.5 - 2.5/2 - 1/4 = -2
  expect scan(potential_shaping(potential, 0.5), decay: 0.5, from: end, per: sample)
    == [[-2, -3, -1], [-5]]
}

test "what is divided among steps adds up to the whole" {
  let total = [1, -2, 3] @ sample
  let weight = [[1, 3], [0, 0], [2, 0]] @ step
  expect redistributed(total, weight) == [[0.25, 0.75], [-1, -1], [3, 0]]
}

test "CAPO: right and clean, right with a wrong step, wrong and clean, wrong with a wrong step" {
  let outcome = [1, 0] @ sample
  let right = [[1, 0], [1, 0]] @ step
  expect capo(outcome, right, 2, 1) == [[2, 1], [0, -1]]
}

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

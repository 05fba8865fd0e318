## Advantages: how much better than expected an answer, or a token, was.

## `x - mean` of the group.
fn centre(x: Real, per: Level) -> Real = x - spread(mean(x, per: per), to: x)

## `x` minus the mean of the others of its group: unbiased, since the baseline does not depend on the answer itself.
## Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!"; equals `centre` times n / (n - 1).
fn leave_one_out(x: Real, per: Level) -> Real = x - others_mean(x, per: per)

## Generalised advantage estimation: `sum_k (discount * lambda)^k delta_{t+k}`, `delta_t = r_t + discount * v_{t+1} - v_t`,
## with `v = 0` after the last token. Schulman et al. 2015, equation 16.
fn gae(r: Real @ token, v: Real @ token, discount: Real, lambda: Real) -> Real @ token =
  scan(r + discount * next(v, fill: 0) - v, decay: discount * lambda, from: end)

## Discounted sum of what follows, this token's reward included.
fn returns(r: Real @ token, discount: Real) -> Real @ token = scan(r, decay: discount, from: end)

test "centred rewards of a group add up to 0" {
  let x = [1, 0, 0.5] @ sample
  expect centre(x, per: prompt) == [0.5, -0.5, 0]
}

test "leave-one-out is centred times n / (n - 1)" {
  let x = [1, 0, 0, 1] @ sample
  expect leave_one_out(x, per: prompt)
    == [0.6666666667, -0.6666666667, -0.6666666667, 0.6666666667] within 1e-9
}

test "with lambda 1 and discount 1, GAE is the return less the value" {
  let r = [[0, 0, 1]] @ token
  let v = [[0.2, 0.5, 0.9]] @ token
  expect gae(r, v, 1, 1) == [[0.8, 0.5, 0.1]] within 1e-12
}

test "with lambda 0, GAE is the one-step error" {
  let r = [[0, 0, 1]] @ token
  let v = [[0.2, 0.5, 0.9]] @ token
  expect gae(r, v, 1, 0) == [[0.3, 0.4, 0.1]] within 1e-12
}

test "returns discount what is further away" {
  let r = [[0, 0, 1], [2]] @ token
  expect returns(r, 0.5) == [[0.25, 0.5, 1], [2]]
}

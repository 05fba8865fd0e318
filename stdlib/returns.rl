## Returns along a sample, and the advantages that a value function makes of them. Each walks within its sample, from the end;
## a value per step or per turn may stand wherever one per token is named, and gives a result per step or per turn.

## Discounted sum of what follows, this token's reward included.
fn returns(r: Real @ token, discount: Real) -> Real @ token = scan(r, decay: discount, from: end)

## One-step error `r_t + discount * v_{t+1} - v_t`, with `v = 0` after the last token. With a potential in place of `v` it is
## potential-based shaping of a reward (Ng et al. 1999), which no policy's order changes.
fn td_error(r: Real @ token, v: Real @ token, discount: Real) -> Real @ token =
  r + discount * next(v, fill: 0) - v

## Generalised advantage estimation: `sum_k (discount * lambda)^k delta_{t+k}`, `delta_t = r_t + discount * v_{t+1} - v_t`,
## with `v = 0` after the last token. Schulman et al. 2015, equation 16. TRL and verl whiten the result over the batch:
## `whiten(gae(…), per: batch, guard: 1e-8)`.
fn gae(r: Real @ token, v: Real @ token, discount: Real, lambda: Real) -> Real @ token =
  scan(td_error(r, v, discount), decay: discount * lambda, from: end)

## `gae` of answers that may have been cut off: `after` is the value after the last token, 0 where the answer ended by itself.
fn gae_bootstrapped(
  r: Real @ token,
  v: Real @ token,
  after: Real @ sample,
  discount: Real,
  lambda: Real
) -> Real @ token =
  scan(r + discount * next(v, fill: after) - v, decay: discount * lambda, from: end)

## The lambda-return, target of TD(lambda): `gae + v`. At lambda 1 the return, at lambda 0 `r_t + discount * v_{t+1}`.
## Sutton and Barto 2018, section 12.1. It is what TRL and verl fit the critic to.
fn lambda_returns(r: Real @ token, v: Real @ token, discount: Real, lambda: Real) -> Real @ token =
  gae(r, v, discount, lambda) + v

## V-trace targets: `v_t + sum_k discount^k (prod c) rho_{t+k} delta_{t+k}`, `rho = min(ratio, rho_cap)`,
## `c = lambda min(ratio, c_cap)`. `ratio` is the policy's to the sampler's, per token. Frozen. With ratios 1 and lambda 1 it is
## the return. Espeholt et al. 2018 (IMPALA), equation 1, and remark 2 for lambda.
fn vtrace_targets(
  ratio: Real @ token,
  r: Real @ token,
  v: Real @ token,
  discount: Real,
  lambda: Real,
  rho_cap: Real,
  c_cap: Real
) -> Real @ token =
  frozen(
    v
      + scan(
        min(ratio, rho_cap) * td_error(r, v, discount),
        decay: frozen(discount * lambda * min(ratio, c_cap)),
        from: end
      )
  )

## V-trace's policy gradient weight: `rho_t (r_t + discount * target_{t+1} - v_t)`. Frozen. Espeholt et al. 2018, section 4.2.
fn vtrace_advantage(
  ratio: Real @ token,
  r: Real @ token,
  v: Real @ token,
  discount: Real,
  lambda: Real,
  rho_cap: Real,
  c_cap: Real
) -> Real @ token = {
  let target = vtrace_targets(ratio, r, v, discount, lambda, rho_cap, c_cap)
  frozen(min(ratio, rho_cap) * (r + discount * next(target, fill: 0) - v))
}

## One step and the outcome blended: `share (r_t + v_{t+1} - v_t) + (1 - share) (outcome - v_t)`. Per turn in the paper, with share
## 0.5. Qi et al. 2024, "WebRL".
fn blended_advantage(
  r: Real @ token,
  v: Real @ token,
  outcome: Real @ sample,
  share: Real
) -> Real @ token = share * td_error(r, v, 1) + (1 - share) * (outcome - v)

## The lambda that grows with the answer: `1 - 1 / (alpha * length)`, 0 where that is negative. `alpha` 0.05 in the paper.
## Yue et al. 2025 (VAPO), "length-adaptive GAE".
fn length_adaptive_lambda(length: Real, alpha: Real) -> Real = max(0, 1 - 1 / (alpha * length))

test "returns discount what is further away" {
  let r = [[0, 0, 1], [2]] @ token
  expect returns(r, 0.5) == [[0.25, 0.5, 1], [2]]
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
  expect td_error(r, v, 1) == [[0.3, 0.4, 0.1]] within 1e-12
}

test "between, GAE decays the one-step errors" {
  let r = [[0, 1]] @ token
  let v = [[0.5, 0.4]] @ token
  # 0.9 * 0.4 - 0.5 + 0.9 * 0.5 * 0.6
  expect gae(r, v, 0.9, 0.5) == [[0.13, 0.6]] within 1e-12
}

test "an answer that was cut off is worth what the critic says of its end" {
  let r = [[0, 0, 1], [0, 0]] @ token
  let v = [[0.2, 0.5, 0.9], [0.1, 0.3]] @ token
  let after = [0, 0.7] @ sample
  expect gae_bootstrapped(r, v, after, 1, 1) == [[0.8, 0.5, 0.1], [0.6, 0.4]] within 1e-12
}

test "lambda-returns go from one step ahead to the whole return" {
  let r = [[0, 0, 1]] @ token
  let v = [[0.2, 0.5, 0.9]] @ token
  expect lambda_returns(r, v, 1, 1) == [[1, 1, 1]] within 1e-12
  expect lambda_returns(r, v, 1, 0) == [[0.5, 0.9, 1]] within 1e-12
  # 1; 0.5 * 0.9 + 0.5 * 1; 0.5 * 0.5 + 0.5 * 0.95
  expect lambda_returns(r, v, 1, 0.5) == [[0.725, 0.95, 1]] within 1e-12
}

test "V-trace on policy is the return, and its advantage the return less the value" {
  let one = [[1, 1, 1]] @ token
  let r = [[0, 0, 1]] @ token
  let v = [[0.2, 0.5, 0.9]] @ token
  expect vtrace_targets(one, r, v, 1, 1, 1, 1) == [[1, 1, 1]] within 1e-12
  expect vtrace_advantage(one, r, v, 1, 1, 1, 1) == [[0.8, 0.5, 0.1]] within 1e-12
}

test "V-trace cuts ratios for the errors and for the traces" {
  let ratio = [[2, 0.5]] @ token
  let r = [[0, 1]] @ token
  let v = [[0.5, 0.4]] @ token
  # errors -0.1 and 0.6; rho 1 and 0.5, c 1: 0.5 - 0.1 + 0.3 and 0.4 + 0.3
  expect vtrace_targets(ratio, r, v, 1, 1, 1, 1) == [[0.7, 0.7]] within 1e-12
  expect vtrace_advantage(ratio, r, v, 1, 1, 1, 1) == [[0.2, 0.3]] within 1e-12
  # rho 2 and 0.5, c 0.5: 0.5 - 0.2 + 0.15
  expect vtrace_targets(ratio, r, v, 1, 1, 2, 0.5) == [[0.45, 0.7]] within 1e-12
  # c 0.25
  expect vtrace_targets(ratio, r, v, 1, 0.5, 2, 0.5) == [[0.375, 0.7]] within 1e-12
}

test "V-trace is a target, not something to differentiate" {
  let ratio = [[1, 1]] @ token
  let r = [[0, 1]] @ token
  let v = live([[0.5, 0.4]] @ token)
  # of (target - v)^2: -2 (1 - v)
  expect gradient(sum((vtrace_targets(ratio, r, v, 1, 1, 1, 1) - v) ^ 2), of: v)
    == [[-1, -1.2]] within 1e-12
}

test "a blend of one step and the outcome" {
  let r = [[0, 0]] @ token
  let v = [[0.4, 0.6]] @ token
  let outcome = [1] @ sample
  # 0.5 (0.6 - 0.4) + 0.5 (1 - 0.4); 0.5 (0 - 0.6) + 0.5 (1 - 0.6)
  expect blended_advantage(r, v, outcome, 0.5) == [[0.4, -0.1]] within 1e-12
}

test "a longer answer looks further ahead" {
  expect length_adaptive_lambda(100, 0.05) == 0.8 within 1e-12
  expect length_adaptive_lambda(10, 0.05) == 0
}

## Coefficients that follow what they are meant to hold: of an entropy bonus, of a divergence, of a constraint. Each gives the next
## value of a `state`: `state c: Real = 0.001  c <- stepped(c, mean(h), 0.2, 0.0005, 0 .. 0.05)`.

## One step up where the measured value is at or below its target, one step down where it is above; kept within `bounds`.
## He et al. 2025, "Skywork Open Reasoner 1" (adaptive entropy control), where it is used through `below_target`.
## TRL: `use_adaptive_entropy`.
fn stepped(coefficient: Real, measured: Real, target: Real, step: Real, bounds: Bounds) -> Real =
  clip(where(measured <= target, coefficient + step, coefficient - step), bounds)

## The coefficient while the measured value is at or below its target, and 0 above it. He et al. 2025.
fn below_target(coefficient: Real, measured: Real, target: Real) -> Real =
  where(measured <= target, coefficient, 0)

## `coefficient (1 + gain clip(measured / target - 1, low .. high))`: grows while the measured value is above its target. Ziegler
## et al. 2019, "Fine-Tuning Language Models from Human Preferences", section 2.2 (a divergence; 0.1 and `-0.2 .. 0.2`). In verl
## and TRL `gain` is the number of samples over the horizon.
fn proportional(
  coefficient: Real,
  measured: Real,
  target: Real,
  gain: Real,
  bounds: Bounds
) -> Real = coefficient * (1 + gain * clip(measured / target - 1, bounds))

## Dual ascent on a multiplier: `max(0, multiplier + rate excess)`, `excess` being by how much the constraint is violated, negative
## where it is kept: `target - entropy` for an entropy that should not fall, `divergence - target` for one that should not rise.
## The multiplier of soft actor-critic's entropy constraint is one: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and
## Applications".
fn dual_ascent(multiplier: Real, excess: Real, rate: Real) -> Real =
  max(0, multiplier + rate * excess)

## Dual ascent on the logarithm of a multiplier, `multiplier exp(rate excess)`: never 0, and never negative.
fn dual_ascent_log(multiplier: Real, excess: Real, rate: Real) -> Real =
  multiplier * exp(rate * excess)

test "a step up at the target, a step down above it, and never out of bounds" {
  expect stepped(0.01, 0.2, 0.2, 0.005, 0 .. 0.02) == 0.015 within 1e-12
  expect stepped(0.01, 0.21, 0.2, 0.005, 0 .. 0.02) == 0.005 within 1e-12
  expect stepped(0.018, 0.1, 0.2, 0.005, 0 .. 0.02) == 0.02
  expect stepped(0.002, 0.3, 0.2, 0.005, 0 .. 0.02) == 0
}

test "the bonus is there only while it is needed" {
  expect below_target(0.01, 0.2, 0.2) == 0.01
  expect below_target(0.01, 0.3, 0.2) == 0
}

test "a divergence of twice its target raises the coefficient by gain times the bound" {
  expect proportional(0.2, 12, 6, 0.1, -0.2 .. 0.2) == 0.204 within 1e-12
  expect proportional(0.2, 6.6, 6, 0.1, -0.2 .. 0.2) == 0.202 within 1e-12
  expect proportional(0.2, 0, 6, 0.1, -0.2 .. 0.2) == 0.196 within 1e-12
}

test "a multiplier rises while the constraint is violated, and stops at 0" {
  expect dual_ascent(1, 0.5, 0.1) == 1.05 within 1e-12
  expect dual_ascent(0.01, -0.5, 0.1) == 0
  expect dual_ascent_log(1, 0.5, 0.1) == 1.0512710964 within 1e-9
  expect dual_ascent_log(1, -0.5, 0.1) == 0.9512294245 within 1e-9
}

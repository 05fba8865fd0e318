## Proper scores: losses of a probability that was stated before its outcome was known. On average each is least at the true
## probability, so that honesty pays. `p` in [0, 1], `outcome` 0 or 1 (or a share, for the first two).

## The squared error `(p - outcome)^2`. Brier 1950.
fn brier(p: Real, outcome: Real) -> Real = (p - outcome) ^ 2

## `-log` of what was said of the outcome, in nats. Good 1952. Infinite where the impossible happened.
fn log_score(p: Real, outcome: Real) -> Real = -log_likelihood(outcome, p)

## The log score of a probability given as a logit: `softplus(logit) - outcome logit`, the binary cross-entropy. Nats.
fn binary_cross_entropy(logit: Real, outcome: Real) -> Real = softplus(logit) - outcome * logit

## 1 less the cosine of what was said and what happened: `1 - (p or 1 - p) / sqrt(p^2 + (1 - p)^2)`. Roby 1965.
fn spherical_score(p: Real, outcome: Real) -> Real =
  1 - (outcome * p + (1 - outcome) * (1 - p)) / sqrt(p ^ 2 + (1 - p) ^ 2)

## The score of a central interval that should hold a number with probability `1 - miss`: its width, and `2 / miss` times by how
## much the number lies outside. Gneiting and Raftery 2007, equation 43.
fn interval_score(low: Real, high: Real, outcome: Real, miss: Real) -> Real =
  high - low + 2 / miss * (relu(low - outcome) + relu(outcome - high))

## How much better than always stating the share of the outcomes: `1 - mean(brier) / (share (1 - share))`. 1 is perfect; absent
## where all outcomes are the same.
fn brier_skill(p: Real, outcome: Real) -> Real =
  where(
    mean(outcome) * (1 - mean(outcome)) > 0,
    1 - mean(brier(p, outcome)) / (mean(outcome) * (1 - mean(outcome))),
    absent
  )

## A reward for being right and for knowing it: `correct - (confidence - correct)^2`. Damani et al. 2025, "Beyond Binary Rewards"
## (RLCR).
fn calibrated_reward(correct: Real, confidence: Real) -> Real = correct - brier(confidence, correct)

# ------------------------------------------------------------------ calibration
## A score as a probability, by two numbers that were fitted outside on scores whose outcomes are known: `sigmoid(slope score + shift)`.
## Platt 1999, "Probabilistic Outputs for Support Vector Machines". Isotonic regression is `curve(score, thresholds, values)` of the
## language with the points that were fitted (scikit-learn: `X_thresholds_`, `y_thresholds_`, which it joins by straight lines too).
fn platt(score: Real, slope: Real, shift: Real) -> Real = sigmoid(slope * score + shift)

## A logit as a probability under a temperature that was fitted outside: `sigmoid(logit / temperature)`. Above 1 it is less sure of
## itself. Guo et al. 2017, "On Calibration of Modern Neural Networks", for two classes.
fn tempered(logit: Real, temperature: Real) -> Real = sigmoid(logit / temperature)

## The expected calibration error with ten bins of equal width: `sum_bins |sum_bin (p - outcome)| / n`, in [0, 1], over all that is there.
## 0 where in each bin as much comes true as was stated. Naeini et al. 2015; Guo et al. 2017, equation 3. A bin holds its upper end, the
## first also 0.
fn calibration_error(p: Real, outcome: Real) -> Real =
  (
    bin_gap(p, outcome, -1, 0.1)
      + bin_gap(p, outcome, 0.1, 0.2)
      + bin_gap(p, outcome, 0.2, 0.3)
      + bin_gap(p, outcome, 0.3, 0.4)
      + bin_gap(p, outcome, 0.4, 0.5)
      + bin_gap(p, outcome, 0.5, 0.6)
      + bin_gap(p, outcome, 0.6, 0.7)
      + bin_gap(p, outcome, 0.7, 0.8)
      + bin_gap(p, outcome, 0.8, 0.9)
      + bin_gap(p, outcome, 0.9, 1)
  )
  / count(p - outcome)

## By how much what was stated and what came true differ, added up over the statements above `low` and up to `high`.
fn bin_gap(p: Real, outcome: Real, low: Real, high: Real) -> Real =
  abs(sum(p - outcome, where: p > low and p <= high))

test "the scores of a forecast of 3/4" {
  expect brier(0.75, 1) == 0.0625
  expect brier(0.75, 0) == 0.5625
  expect log_score(0.75, 1) == 0.2876820724 within 1e-9
  expect log_score(0.75, 0) == 1.3862943611 within 1e-9
  # sqrt(9 + 1) / 4: 1 - 3 / sqrt(10), 1 - 1 / sqrt(10)
  expect spherical_score(0.75, 1) == 0.0513167019 within 1e-9
  expect spherical_score(0.75, 0) == 0.6837722340 within 1e-9
}

test "the cross-entropy of a logit is the log score of its probability" {
  expect binary_cross_entropy(1.0986122887, 1) == 0.2876820724 within 1e-9
  expect binary_cross_entropy(1.0986122887, 0) == 1.3862943611 within 1e-9
  expect binary_cross_entropy(800, 1) == 0
  expect binary_cross_entropy(-800, 1) == 800
}

test "each score is least, on average, at the true probability" {
  let p = live([0.3] @ sample)
  expect gradient(sum(0.3 * brier(p, 1) + 0.7 * brier(p, 0)), of: p) == [0] within 1e-12
  expect gradient(sum(0.3 * log_score(p, 1) + 0.7 * log_score(p, 0)), of: p) == [0] within 1e-12
  expect gradient(sum(0.3 * spherical_score(p, 1) + 0.7 * spherical_score(p, 0)), of: p)
    == [0] within 1e-12
  let x = live([-0.8472978604] @ sample)
  expect gradient(sum(0.3 * binary_cross_entropy(x, 1) + 0.7 * binary_cross_entropy(x, 0)), of: x)
    == [0] within 1e-9
}

test "overconfidence is pushed down by every score" {
  let p = live([0.9] @ sample)
  # 0.5 (-2 0.1) + 0.5 (2 0.9); -0.5 / 0.9 + 0.5 / 0.1
  expect gradient(sum(0.5 * brier(p, 1) + 0.5 * brier(p, 0)), of: p) == [0.8] within 1e-12
  expect gradient(sum(0.5 * log_score(p, 1) + 0.5 * log_score(p, 0)), of: p)
    == [4.4444444444] within 1e-9
}

test "an interval pays for its width and for what it misses" {
  let x = [2, 0.5, 4] @ sample
  expect interval_score(1, 3, x, 0.5) == [2, 4, 6] within 1e-12
}

test "skill is 0 for the share and 1 for the truth" {
  let o = [1, 1, 0, 1] @ sample
  expect brier_skill(0.75, o) == 0 within 1e-12
  expect brier_skill(o, o) == 1
  expect (brier_skill(0.5, 1) else -9) == -9
}

test "the right answer with the right confidence earns most" {
  expect calibrated_reward(1, 1) == 1
  expect calibrated_reward(1, 0.5) == 0.75
  expect calibrated_reward(0, 0) == 0
  expect calibrated_reward(0, 1) == -1
}

test "a fitted slope and shift, and a temperature" {
  expect platt(2, 1.5, -1.9013877113) == 0.75 within 1e-9
  expect tempered(2.1972245773, 2) == 0.75 within 1e-9
}

test "stated 0.85 twice and 0.25 twice, right once each" {
  let p = [0.85, 0.85, 0.25, 0.25] @ sample
  let right = [1, 0, 1, 0] @ sample
  # (|1.7 - 1| + |0.5 - 1|) / 4
  expect calibration_error(p, right) == 0.3 within 1e-12
  expect calibration_error(right, right) == 0
  expect calibration_error(0 * p + 0.5, right) == 0 within 1e-12
}

test "isotonic points are a curve" {
  expect curve([0, 0.5, 3] @ sample, [0, 1, 2], [0.1, 0.5, 0.9]) == [0.1, 0.3, 0.9] within 1e-12
}

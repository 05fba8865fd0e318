## Losses of reward models, and what is made of their scores. All are functions of numbers: a score may come from a scorer, a
## critic's value at the last token, or a log-ratio of policies.

import std.scoring (binary_cross_entropy)

# ------------------------------------------------------------------ of pairs
## `-log sigmoid(chosen - rejected)`: the better answer is preferred with probability `sigmoid` of the difference.
## Bradley and Terry 1952; Ouyang et al. 2022, equation 1. Nats.
fn bradley_terry(chosen: Real, rejected: Real) -> Real = -log_sigmoid(chosen - rejected)

## Bradley-Terry with a margin that the difference should exceed. Touvron et al. 2023 (Llama 2), equation 2; TRL: `margin`.
fn bradley_terry_margin(chosen: Real, rejected: Real, margin: Real) -> Real =
  -log_sigmoid(chosen - rejected - margin)

## Bradley-Terry where a share `smoothing` of the labels is taken to be flipped:
## `-(1 - s) log sigmoid(d) - s log sigmoid(-d)`. Wang et al. 2024, "Secrets of RLHF in Large Language Models Part II".
fn bradley_terry_smoothed(chosen: Real, rejected: Real, smoothing: Real) -> Real =
  graded_preference(chosen - rejected, 1 - smoothing)

## Cross-entropy of a preference that is itself a probability: 1 and 0 are plain Bradley-Terry, 1/2 a tie, 0.8 "slightly better".
## Liu et al. 2024, "Reward Modeling with Ordinal Feedback".
fn graded_preference(difference: Real, probability: Real) -> Real =
  binary_cross_entropy(difference, probability)

## Bradley-Terry over all pairs of answers to a prompt of which one has the higher `reward`; ties are left out. Mean over the pairs
## of the update batch; Ouyang et al. 2022, equation 1, takes it by prompt, which is the same where all groups have as many.
fn group_bradley_terry(score: Real @ sample, reward: Real @ sample) -> Real = {
  let other = others(score, per: prompt)
  mean(-log_sigmoid(spread(score, to: other) - other), where: reward > others(reward, per: prompt))
}

## `(chosen + rejected)^2`, which keeps scores near 0: Bradley-Terry alone does not say where they lie. Eisenstein et al. 2023,
## "Helping or Herding?"; TRL: `center_rewards_coefficient` times its mean.
fn centre_penalty(chosen: Real, rejected: Real) -> Real = (chosen + rejected) ^ 2

# ------------------------------------------------------------------ of single answers
## Squared error of a score. Wang et al. 2024, "HelpSteer2"; torch's `mse_loss`, without a half.
fn regression_loss(score: Real, label: Real) -> Real = (score - label) ^ 2

## Ordinal regression, proportional odds: `-log(sigmoid(upper - score) - sigmoid(lower - score))` of a grade between two
## thresholds. For a pair that is a tie, of the difference between `-width` and `width` (Rao and Kupper 1967). McCullagh 1980.
## The lowest grade has no lower threshold, the highest no upper one: `binary_cross_entropy(score - threshold, 0)` and `(…, 1)`.
fn ordinal_loss(score: Real, lower: Real, upper: Real) -> Real =
  -log_sigmoid(upper - score) - log_sigmoid(score - lower) - log(-expm1(lower - upper))

## `ordinal_loss` of grades 0, 1, … `grades - 1` with thresholds `first`, `first + step`, …; thresholds are given, not learned.
fn ordinal_grade_loss(score: Real, grade: Real, grades: Real, first: Real, step: Real) -> Real =
  where(
    grade < 0.5,
    binary_cross_entropy(score - first, 0),
    where(
      grade > grades - 1.5,
      binary_cross_entropy(score - first - (grades - 2) * step, 1),
      ordinal_loss(score, first + (grade - 1) * step, first + grade * step)
    )
  )

# ------------------------------------------------------------------ of steps
## The loss of a process reward model: cross-entropy at each step's label, absent labels left out. At tokens, give the label at
## the last token of each step and `absent` elsewhere. A label is 0 or 1, or the share of continuations from there that
## succeed. Lightman et al. 2023; Wang et al. 2024 (Math-Shepherd), equation 3 for shares. Mean over all labels.
fn stepwise_prm_loss(logit: Real @ token, label: Real @ token) -> Real =
  mean(binary_cross_entropy(logit, label))

## Scores of steps (or tokens) that add up to the outcome: `(sum score - outcome)^2` per answer, with no label for a step.
## Wang et al. 2025 (SPA-RL).
fn redistribution_loss(score: Real @ token, outcome: Real @ sample) -> Real @ sample =
  (sum(score, per: sample) - outcome) ^ 2

## The process reward of a reward model that is a log-ratio: `beta (log p - log q)` at each token; a step's is the sum of its
## tokens'. Yuan et al. 2024, "Free Process Rewards without Process Labels".
fn implicit_process_reward(p: Policy, q: Policy, y: Response, beta: Real) -> Real @ token =
  beta * (logp(p, y) - logp(q, y))

## Its value of the answer so far: the sum up to each token. Ibid.
fn implicit_process_value(p: Policy, q: Policy, y: Response, beta: Real) -> Real @ token =
  cumsum(implicit_process_reward(p, q, y, beta))

## The loss that trains it from outcomes alone: cross-entropy of the summed process reward as the logit of success. `label` is 0
## or 1. Ibid.; Cui et al. 2025 (PRIME) train it so on the policy's own answers.
fn implicit_prm_loss(process: Real @ token, label: Real @ sample) -> Real @ sample =
  binary_cross_entropy(sum(process, per: sample), label)

# ------------------------------------------------------------------ of several models
## The mean of the members of an ensemble: `ensemble_mean(each(score(a, y), score(b, y), score(c, y)))`. A member that is absent is
## left out, here and below.
fn ensemble_mean(scores: Real @ member) -> Real = mean(scores, over: member)

## The least of the scores: no member is trusted where another doubts. Coste et al. 2023, "Reward Model Ensembles Help
## Mitigate Overoptimization", worst-case optimisation (WCO).
fn worst_case(scores: Real @ member) -> Real = min(scores, over: member)

## The mean squared distance of the scores from their mean: divided by how many they are.
fn ensemble_variance_population(scores: Real @ member) -> Real =
  var_population(scores, over: member)

## The same, divided by one less. Absent for one score.
fn ensemble_variance(scores: Real @ member) -> Real = var(scores, over: member)

## Uncertainty-weighted optimisation (UWO): the mean less `weight` times the members' variance.
## `uncertainty_weighted(ensemble_mean(scores), ensemble_variance_population(scores), 0.5)`. The paper's variance is the
## population's; its code takes `ensemble_variance` for PPO. Weights there: 0.5 for best-of-n, 0.1 for PPO. Coste et al. 2023.
fn uncertainty_weighted(average: Real, variance: Real, weight: Real) -> Real =
  average - weight * variance

test "equal scores cost ln 2, with or without smoothing" {
  expect bradley_terry(0.3, 0.3) == 0.6931471806 within 1e-9
  expect bradley_terry_smoothed(0.3, 0.3, 0.1) == 0.6931471806 within 1e-9
  expect bradley_terry_margin(0.8, 0.3, 0.5) == 0.6931471806 within 1e-9
}

test "a difference of ln 3 is a preference of 3/4" {
  expect bradley_terry(1.0986122887, 0) == 0.2876820724 within 1e-9
  # 0.9 * 0.288 + 0.1 * 1.386
  expect bradley_terry_smoothed(1.0986122887, 0, 0.1) == 0.3975433013 within 1e-9
  # - 3/4 ln(3/4) - 1/4 ln(1/4): where the difference says just what the label says, the entropy of the label
  expect graded_preference(1.0986122887, 0.75) == 0.5623351446 within 1e-9
}

test "every pair of a prompt that is not a tie" {
  let s = live([[1.0986122887, 0, 0], [5]] @ sample)
  let r = [[1, 0, 0], [1]] @ sample
  expect group_bradley_terry(s, r) == 0.2876820724 within 1e-9
  # two pairs: -(1/4 + 1/4) / 2
  expect gradient(group_bradley_terry(s, r), of: s) == [[-0.25, 0.125, 0.125], [0]] within 1e-9
}

test "what trains a pair" {
  let chosen = live([0, 0, 1.0986122887] @ sample)
  expect gradient(sum(bradley_terry(chosen, 0)), of: chosen) == [-0.5, -0.5, -0.25] within 1e-9
  expect gradient(sum(bradley_terry_smoothed(chosen, 0, 0.25)), of: chosen)
    == [-0.25, -0.25, 0] within 1e-9
  expect gradient(sum(centre_penalty(chosen, 1)), of: chosen) == [2, 2, 4.1972245773] within 1e-9
  expect gradient(sum(regression_loss(chosen, 1)), of: chosen) == [-2, -2, 0.1972245773] within 1e-9
}

test "an ordinal grade lies between its thresholds" {
  # sigmoid(ln 3) - sigmoid(-ln 3) = 1/2
  expect ordinal_loss(0, -1.0986122887, 1.0986122887) == 0.6931471806 within 1e-9
  let s = live([0, 1] @ sample)
  # pushed to the middle; at 1: sigmoid(1 + ln 3) - sigmoid(ln 3 - 1)
  expect gradient(sum(ordinal_loss(s, -1.0986122887, 1.0986122887)), of: s)
    == [0, 0.3661351138] within 1e-9
}

test "the probabilities of all grades add up to 1" {
  let grade = [0, 1, 2, 3] @ sample
  expect sum(exp(-ordinal_grade_loss(0.4, grade, 4, -1, 0.7))) == 1 within 1e-12
  # sigmoid(-1.4), sigmoid(-0.7) - sigmoid(-1.4), 1/2 - sigmoid(-0.7), 1/2
  expect ordinal_grade_loss(0.4, grade, 4, -1, 0.7)
    == [1.6204174100, 2.0099444616, 1.7826742323, 0.6931471806] within 1e-8
}

test "a process reward model is charged where there is a label" {
  let logit = live([[0, 5, 1.0986122887], [0]] @ token)
  let label = [[absent, absent, 1], [0.5]] @ token
  # (0.2877 + 0.6931) / 2
  expect stepwise_prm_loss(logit, label) == 0.4904146265 within 1e-9
  expect gradient(stepwise_prm_loss(logit, label), of: logit) == [[0, 0, -0.125], [0]] within 1e-9
}

test "progress adds up to the outcome" {
  let c = live([[0.1, 0.2, 0.3], [0.5]] @ token)
  let outcome = [1, 0.5] @ sample
  expect redistribution_loss(c, outcome) == [0.16, 0] within 1e-12
  expect gradient(sum(redistribution_loss(c, outcome)), of: c)
    == [[-0.8, -0.8, -0.8], [0]] within 1e-12
}

test "an implicit process reward model learns from the outcome alone" {
  let process = live([[1, 0.0986122887], [0]] @ token)
  let label = [1, 0] @ sample
  expect implicit_prm_loss(process, label) == [0.2876820724, 0.6931471806] within 1e-9
  expect gradient(sum(implicit_prm_loss(process, label)), of: process)
    == [[-0.25, -0.25], [0.5]] within 1e-9
}

test "three members: the mean, the worst, the uncertain" {
  let scores = each(1, 2, 3)
  expect ensemble_mean(scores) == 2
  expect worst_case(scores) == 1
  expect worst_case(each(3, 2)) == 2
  # variance 2/3, and 1 with n - 1
  expect uncertainty_weighted(ensemble_mean(scores), ensemble_variance_population(scores), 0.5)
    == 1.6666666667 within 1e-9
  expect uncertainty_weighted(ensemble_mean(scores), ensemble_variance(scores), 0.1)
    == 1.9 within 1e-12
}

test "seven members, at each answer" {
  let scores = [[1, 2, 3, 4, 5, 6, 7], [7, 7, 7, 7, 7, 7, 0]] @ member
  expect ensemble_mean(scores) == [4, 6]
  expect worst_case(scores) == [1, 0]
  expect ensemble_variance_population(scores) == [4, 6]
  expect ensemble_variance(scores) == [4.6666666667, 7] within 1e-9
}

test "a member that said nothing is left out" {
  let scores = each([1, 1, absent] @ sample, [3, absent, absent] @ sample, [5, 2, 4] @ sample)
  expect ensemble_mean(scores) == [3, 1.5, 4]
  expect worst_case(scores) == [1, 1, 4]
  expect (ensemble_variance(scores) else -9) == [4, 0.5, -9]
}

test "only the worst member learns from the worst case" {
  let first = live([1, 5] @ sample)
  expect gradient(sum(worst_case(each(first, 3, 4))), of: first) == [1, 0]
}

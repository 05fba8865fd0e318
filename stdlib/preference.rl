## Losses of a preferred and another answer that see only their margin: the difference of two implicit rewards.
##
## The margin is in nats and not yet multiplied by beta:
## `implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)`. Losses that say where each answer should go by
## itself are in `anchored`, those without a reference in `reference_free`, other forms of the implicit reward in
## `preference_score`.

## The implicit reward of an answer: summed log-ratio against the reference, nats @ sample.
## Rafailov et al. 2023, "Direct Preference Optimization", equation 5, over beta and without the part that a margin cancels.
fn implicit_reward(p: Policy, q: Policy, y: Response) -> Real @ sample =
  sum(logp(p, y) - logp(q, y), per: sample)

## The implicit reward for each token: the mean of the log-ratios, nats per token @ sample. It needs a larger beta (RL706).
fn mean_implicit_reward(p: Policy, q: Policy, y: Response) -> Real @ sample =
  mean(logp(p, y) - logp(q, y), per: sample)

## Cross-entropy of a preference that holds with `probability`, when the model says `sigmoid(scaled)`:
## `-probability log sigmoid(scaled) - (1 - probability) log sigmoid(-scaled)`. `scaled` is beta times a margin.
fn preference_cross_entropy(scaled: Real, probability: Real) -> Real =
  -probability * log_sigmoid(scaled) - (1 - probability) * log_sigmoid(-scaled)

## `-log sigmoid(beta * margin)`, the margin being the difference of summed log-ratios of the preferred and the other
## answer. Rafailov et al. 2023, "Direct Preference Optimization", equation 7. TRL: `sigmoid`.
fn dpo(margin: Real, beta: Real) -> Real = -log_sigmoid(beta * margin)

## DPO of mean log-ratios, `mean_implicit_reward` of each answer: length does not enter. Beta is of the order of 2 to 10.
## TRL: `sigmoid_norm`.
fn dpo_mean(chosen: Real, rejected: Real, beta: Real) -> Real = dpo(chosen - rejected, beta)

## DPO when a share `flipped` of the labels is wrong, as a smoothed label: its minimum is at a finite margin,
## `log((1 - flipped) / flipped) / beta`. Mitchell 2023, "A note on DPO with noisy preferences" (cDPO).
fn dpo_smoothed(margin: Real, beta: Real, flipped: Real) -> Real =
  preference_cross_entropy(beta * margin, 1 - flipped)

## DPO when a share `flipped` of the labels is wrong, unbiased for the loss under right labels:
## `(-(1 - flipped) log sigmoid(m) + flipped log sigmoid(-m)) / (1 - 2 flipped)`, m being beta times the margin.
## Ray Chowdhury et al. 2024, "Provably Robust DPO". TRL: `robust`.
fn robust_dpo(margin: Real, beta: Real, flipped: Real) -> Real =
  (flipped * log_sigmoid(-beta * margin) - (1 - flipped) * log_sigmoid(beta * margin))
  / (1 - 2 * flipped)

## `max(0, 1 - beta * margin)`. Zhao et al. 2023 (SLiC-HF) without a reference, where the margin is of log-probabilities;
## Liu et al. 2023 (RSO, hinge-norm) with one. TRL: `hinge`.
fn hinge(margin: Real, beta: Real) -> Real = relu(1 - beta * margin)

## `(margin - 1 / (2 beta))^2`, the margin being of summed log-ratios; squared nats. `beta` is the paper's tau.
## Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human Preferences", equation 17.
fn ipo(margin: Real, beta: Real) -> Real = (margin - 1 / (2 * beta)) ^ 2

## IPO of mean log-ratios, `mean_implicit_reward` of each answer, so that the target does not depend on length.
## TRL: `ipo`, which says that the paper's authors confirmed this form; the equation of the paper is `ipo`.
fn ipo_mean(chosen: Real, rejected: Real, beta: Real) -> Real = ipo(chosen - rejected, beta)

## Reverse KL of the model's preference from a label that is right with probability `1 - flipped`:
## `q log(q / (1 - flipped)) + (1 - q) log((1 - q) / flipped)`, q being `sigmoid(beta * margin)`; `flipped` lies above 0.
## Ji et al. 2024, "Towards Efficient and Exact Optimization of Language Model Alignment", equation 16. TRL: `exo_pair`.
fn exo(margin: Real, beta: Real, flipped: Real) -> Real = {
  let m = beta * margin
  sigmoid(m) * (log_sigmoid(m) - log1p(-flipped)) + sigmoid(-m) * (log_sigmoid(-m) - log(flipped))
}

## Logistic and exponential loss of m, beta times the margin, mixed by the margin itself:
## `-(1 - sigmoid(m / tau)) log sigmoid(m) + sigmoid(m / tau) exp(-m)`. The paper's tau is 0.05.
## Lu et al. 2024, "Discovering Preference Optimization Algorithms with and for Large Language Models" (DiscoPOP, LRML),
## equation 5. TRL: `discopop`.
fn discopop(margin: Real, beta: Real, tau: Real) -> Real = {
  let m = beta * margin
  exp(log_sigmoid(m / tau) - m) - sigmoid(-m / tau) * log_sigmoid(m)
}

test "at margin 0 the loss is ln 2" {
  expect dpo(0, 0.1) == 0.6931471806 within 1e-9
}

test "the gradient at margin 0 is -beta / 2" {
  let m = live([0] @ sample)
  expect gradient(sum(dpo(m, 0.1)), of: m) == [-0.05] within 1e-12
}

test "a margin of 1.5 at beta 0.4 costs ln(1 + exp(-0.6))" {
  expect dpo(1.5, 0.4) == 0.4374879504 within 1e-9
  expect dpo_mean(1, -0.5, 0.4) == 0.4374879504 within 1e-9
}

test "a margin so large that its exponential overflows costs what it should" {
  let m = live([-2000, 2000] @ sample)
  expect dpo(m, 1) == [2000, 0] within 1e-12
  expect gradient(sum(dpo(m, 1)), of: m) == [-1, 0] within 1e-12
}

test "a certain preference is the logistic loss, and an even one is least at margin 0" {
  let m = live([0] @ sample)
  expect preference_cross_entropy(0.6, 1) == 0.4374879504 within 1e-9
  expect gradient(sum(preference_cross_entropy(m, 0.5)), of: m) == [0] within 1e-12
}

test "smoothing leaves the loss at margin 0 and is least where the sigmoid is the share of right labels" {
  # 1 - flipped = 0.9 = sigmoid(ln 9); at beta 0.5 the margin is 2 ln 9
  let m = live([0, 4.394449155] @ sample)
  expect dpo_smoothed(0, 0.5, 0.1) == 0.6931471806 within 1e-9
  expect gradient(sum(dpo_smoothed(m, 0.5, 0.1)), of: m) == [-0.2, 0] within 1e-9
}

test "robust DPO without flipped labels is DPO" {
  let m = live([-3, 0, 2] @ sample)
  expect robust_dpo(m, 0.1, 0) == dpo(m, 0.1) within 1e-12
  expect gradient(sum(robust_dpo(m, 0.1, 0)), of: m)
    == gradient(sum(dpo(m, 0.1)), of: m) within 1e-12
}

test "robust DPO is unbiased: right with 0.8 and wrong with 0.2, it is on average DPO" {
  let m = [-3, 0, 2] @ sample
  expect 0.8 * robust_dpo(m, 0.1, 0.2) + 0.2 * robust_dpo(-m, 0.1, 0.2) == dpo(m, 0.1) within 1e-12
}

test "robust DPO has the slope of DPO at margin 0" {
  # (-(0.8 + 0.2) / 2) * beta / 0.6
  let m = live([0] @ sample)
  expect gradient(sum(robust_dpo(m, 0.1, 0.2)), of: m) == [-0.0833333333] within 1e-9
}

test "the hinge costs 1 at margin 0 and nothing from 1 / beta on" {
  let m = live([0, 5, 12] @ sample)
  expect hinge(m, 0.1) == [1, 0.5, 0] within 1e-12
  expect gradient(sum(hinge(m, 0.1)), of: m) == [-0.1, -0.1, 0] within 1e-12
}

test "IPO is least, and 0, at a margin of 1 / (2 beta)" {
  let m = live([5, 0, 6] @ sample)
  expect ipo(m, 0.1) == [0, 25, 1] within 1e-12
  expect gradient(sum(ipo(m, 0.1)), of: m) == [0, -10, 2] within 1e-12
}

test "IPO of means has the same target for an answer of 2 tokens and one of 1" {
  # the sums are 1.2 and -0.2, the means 0.6 and -0.2; 1 / (2 beta) is 1
  expect ipo_mean(0.6, -0.2, 0.5) == 0.04 within 1e-12
  expect ipo(1.2 + 0.2, 0.5) == 0.16 within 1e-12
}

test "EXO at margin 0 is ln 1/2 less the mean log of the label" {
  # ln 0.5 - (ln 0.999 + ln 0.001) / 2
  expect exo(0, 0.1, 0.001) == 2.7612307090 within 1e-9
}

test "EXO is 0 where the model says what the label says" {
  # beta * margin = ln 999
  let m = live([69.06754778648553] @ sample)
  expect exo(m, 0.1, 0.001) == [0] within 1e-9
  expect gradient(sum(exo(m, 0.1, 0.001)), of: m) == [0] within 1e-9
}

test "EXO stays finite where the model is certain" {
  # all weight on the wrong side costs -ln 0.001
  expect exo(-20000, 0.1, 0.001) == 6.907755279 within 1e-9
}

test "DiscoPOP at margin 0 is half the logistic loss and half the exponential one" {
  # (ln 2 + 1) / 2; slope beta (-1/4 - 1/2 + (1 - ln 2) / (4 tau)) = 0.1 * 0.7842640972
  let m = live([0] @ sample)
  expect discopop(0, 0.1, 0.05) == 0.8465735903 within 1e-9
  expect gradient(sum(discopop(m, 0.1, 0.05)), of: m) == [0.0784264097] within 1e-9
}

test "DiscoPOP is the logistic loss on one side and the exponential on the other, at any margin" {
  expect discopop(-20000, 0.1, 0.05) == 2000 within 1e-9
  expect discopop(20, 0.1, 0.05) == 0.1353352832 within 1e-9
}

## Score-function surrogates: a weight that is frozen times the log-probability, which alone is trained. All are maximised.
## `logp` is the live log-probability of a token, or the sum over an answer @ sample; nats.

## `A log p`. Williams 1992, "Simple Statistical Gradient-Following Algorithms" (REINFORCE).
fn reinforce(logp: Real, advantage: Real) -> Real = advantage * logp

## `w A log p` with the weight frozen. Its gradient is that of `w A` for a live importance weight `w`, whatever was done to
## the weight before. verl's bypass mode calls it `reinforce`.
fn weighted_reinforce(logp: Real, weight: Real, advantage: Real) -> Real =
  frozen(weight) * advantage * logp

## `frozen(clip(r, low, high)) A log p`: the weight is cut, no token loses its gradient. `bounds` are those of the ratio.
## MiniMax 2025, "MiniMax-M1" (CISPO). verl cuts on both sides (`0.8 .. 1.28`); the paper's runs and TRL leave the lower side
## open (`0 .. 5`: TRL's `epsilon_high` is this upper bound itself, not its distance from 1).
fn cispo(logp: Real, ratio: Real, advantage: Real, bounds: Bounds) -> Real =
  weighted_reinforce(logp, clip(ratio, bounds), advantage)

## Tapered off-policy REINFORCE: a reward that is not negative counts in full however unlikely its answer has become, a
## negative one by `min(pi / mu, 1)`. `logp` and `log_ratio` are sums @ sample, `log_ratio` against the policy that answered.
## Le Roux et al. 2025, "Tapered Off-Policy REINFORCE" (TOPR).
fn topr(logp: Real, log_ratio: Real, reward: Real) -> Real =
  weighted_reinforce(logp, where(reward < 0, exp(min(log_ratio, 0)), 1), reward)

## The gamma-shaped weight of a whole answer: `w^power exp(rate (1 - w))` of its ratio `w = exp(log_ratio)`, a sum @ sample.
## 1 at `w = 1`, largest at `w = power / rate`, 0 in both tails. Shen et al. 2026 (VESPO).
fn gamma_weight(log_ratio: Real, power: Real, rate: Real) -> Real =
  exp(power * log_ratio - rate * expm1(log_ratio))

## REINFORCE under `gamma_weight`, of one shape where the advantage is not negative and of another where it is.
## Shen et al. 2026, "VESPO: Variational Sequence-level Soft Policy Optimization". TRL's shapes are power 2, rate 3 and power
## 3, rate 2; it also clamps the log-ratio of each token to -20 .. 20 and their sum to -18.42 .. 20, which is not done here.
fn vespo(
  logp: Real,
  log_ratio: Real @ sample,
  advantage: Real,
  positive_power: Real,
  positive_rate: Real,
  negative_power: Real,
  negative_rate: Real
) -> Real = {
  let positive = gamma_weight(log_ratio, positive_power, positive_rate)
  let negative = gamma_weight(log_ratio, negative_power, negative_rate)
  weighted_reinforce(logp, where(advantage < 0, negative, positive), advantage)
}

## Self-imitation: REINFORCE on what turned out better than was thought, `max(return - value, 0) log p`. `gain` is return less
## value. Oh et al. 2018, "Self-Imitation Learning", equation 2. Beside it the value is fitted by `self_imitation_value`.
fn self_imitation(logp: Real, gain: Real) -> Real = weighted_reinforce(logp, relu(gain), 1)

## The loss of the value in self-imitation: `max(gain, 0)^2 / 2`, `gain` being return less a live value. Ibid., equation 3.
fn self_imitation_value(gain: Real) -> Real = relu(gain) ^ 2 / 2

## Direct reward optimisation as a surrogate: `A log p - beta / 2 (log p - log q)^2`. The penalty, and not a clip, holds the
## policy near `q`. Per token as in verl (`dro`) and Tinker, where `q` is the policy that sampled; with sums @ sample it is the
## gradient of `dro` over `beta`.
fn dro_surrogate(logp: Real, log_ratio: Real, advantage: Real, beta: Real) -> Real =
  reinforce(logp, advantage) - beta / 2 * log_ratio ^ 2

## Direct reward optimisation as a loss: `(reward - value - temperature log_ratio)^2 / 2`, minimised, with `log_ratio` the sum
## @ sample against the reference. At its minimum the policy is `q exp((reward - value) / temperature)`.
## Richemond et al. 2024, "Offline Regularised Reinforcement Learning for Large Language Models Alignment" (DRO-V).
fn dro(log_ratio: Real, reward: Real, value: Real, temperature: Real) -> Real =
  (reward - value - temperature * log_ratio) ^ 2 / 2

## All answers over those whose group disagrees: what makes up for groups that teach nothing. 1 where every group teaches.
## Chu et al. 2025, "GPG: A Simple and Strong Reinforcement Learning Baseline" (alpha).
fn informative_scale(reward: Real @ sample) -> Real = {
  let disagrees = max(reward, per: prompt) > min(reward, per: prompt)
  count(reward) / max(count(reward, where: disagrees), 1)
}

## All answers over those whose reward is not 0: what verl 0.9 computes in the place of `informative_scale` for `gpg`.
fn nonzero_scale(reward: Real @ sample) -> Real =
  count(reward) / max(count(reward, where: reward != 0), 1)

## The advantage of GPG: reward less the group's mean, times `informative_scale`. GPG maximises `reinforce` with it, without
## ratio, clip or divergence. Chu et al. 2025, with F_norm 1. In a top-level `let` the scale is over what was drawn.
fn gpg_advantage(reward: Real @ sample) -> Real @ sample =
  informative_scale(reward) * (reward - mean(reward, per: prompt))

test "the gradient of REINFORCE is the advantage" {
  let logp = live([-0.5, -2] @ sample)
  let a = [1, -0.5] @ sample
  expect gradient(sum(reinforce(logp, a)), of: logp) == [1, -0.5]
}

test "an importance weight that comes from the log-probability itself is not differentiated" {
  let logp = live([-1, -2] @ sample)
  let a = [1, -0.5] @ sample
  # ratios exp(0.5) and exp(-0.5)
  let ratio = exp(logp - [-1.5, -1.5] @ sample)
  expect gradient(sum(weighted_reinforce(logp, ratio, a)), of: logp)
    == [1.6487212707, -0.3032653299] within 1e-9
  expect gradient(sum(ratio * a), of: logp) == [1.6487212707, -0.3032653299] within 1e-9
}

test "CISPO cuts the weight and keeps the gradient" {
  let logp = live([-1, -1, -1, -1] @ sample)
  let ratio = [6, 6, 0.5, 0.1] @ sample
  let a = [1, -1, 1, -1] @ sample
  expect cispo(logp, ratio, a, 0 .. 5) == [-5, 5, -0.5, 0.1] within 1e-12
  expect gradient(sum(cispo(logp, ratio, a, 0 .. 5)), of: logp) == [5, -5, 0.5, -0.1] within 1e-12
  expect gradient(sum(cispo(logp, ratio, a, 0.8 .. 1.28)), of: logp)
    == [1.28, -1.28, 0.8, -0.8] within 1e-12
}

test "TOPR tapers what is bad, and only down" {
  let logp = live([-3, -3, -3, -3] @ sample)
  let log_ratio = [-0.6931471806, 0.6931471806, -0.6931471806, 0.6931471806] @ sample
  let r = [1, 1, -1, -1] @ sample
  expect gradient(sum(topr(logp, log_ratio, r)), of: logp) == [1, 1, -0.5, -1] within 1e-9
}

test "the gamma weight is 1 on policy and largest at power over rate" {
  expect gamma_weight(0, 2, 3) == 1
  # w = 2/3: (4/9) e = 1.2081252571; the weights beside it are smaller
  expect gamma_weight(-0.4054651081, 2, 3) == 1.2081252571 within 1e-9
  expect gamma_weight(-0.5, 2, 3) < 1.2081252571
  expect gamma_weight(-0.3, 2, 3) < 1.2081252571
  # w = 2: 4 exp(-3)
  expect gamma_weight(0.6931471806, 2, 3) == 0.1991482735 within 1e-9
  expect gamma_weight(-900, 2, 3) == 0
  expect gamma_weight(900, 2, 3) == 0
}

test "VESPO weighs gains and losses by their own shapes" {
  let logp = live([[-1, -1], [-1]] @ token)
  let log_ratio = [0.6931471806, 0.6931471806] @ sample
  let a = [1, -1] @ sample
  # gains 2^2 exp(-3), losses 2^3 exp(-2)
  expect gradient(sum(vespo(logp, log_ratio, a, 2, 3, 3, 2)), of: logp)
    == [[0.1991482735, 0.1991482735], [-1.0826822659]] within 1e-9
}

test "self-imitation learns from surprise alone" {
  let logp = live([-1, -1] @ sample)
  expect gradient(sum(self_imitation(logp, [0.5, -0.5] @ sample)), of: logp) == [0.5, 0]
  let v = live([0.25, 0.75] @ sample)
  let r = [0.75, 0.25] @ sample
  expect self_imitation_value(r - v) == [0.125, 0]
  expect gradient(sum(self_imitation_value(r - v)), of: v) == [-0.5, 0]
}

test "the penalty of DRO pulls back what has moved" {
  let logp = live([-1, -1] @ sample)
  let log_ratio = logp - [-1, -1.5] @ sample
  # A - beta (log p - log q): 1 - 0 and 1 - 0.4 * 0.5
  expect gradient(sum(dro_surrogate(logp, log_ratio, 1, 0.4)), of: logp) == [1, 0.8] within 1e-12
  expect dro_surrogate(logp, log_ratio, 1, 0.4) == [-1, -1.05] within 1e-12
}

test "the loss of DRO has the gradient of its surrogate, times the temperature and downhill" {
  let logp = live([-1, -2.5] @ sample)
  let log_ratio = logp - [-1.5, -2] @ sample
  let a = [1, -0.5] @ sample
  # -0.4 (1 - 0.4 * 0.5) and -0.4 (-0.5 + 0.4 * 0.5)
  expect gradient(sum(dro(log_ratio, a, 0, 0.4)), of: logp) == [-0.32, 0.12] within 1e-12
  expect gradient(sum(dro_surrogate(logp, log_ratio, a, 0.4)), of: logp) == [0.8, -0.3] within 1e-12
  expect dro(log_ratio, a, 0, 0.4) == [0.32, 0.045] within 1e-12
}

test "GPG makes up for groups that agree" {
  let r = [[1, 0], [1, 1], [0, 0, 0, 0]] @ sample
  # 2 of 8 answers are in a group that disagrees
  expect informative_scale(r) == 4
  expect gpg_advantage(r) == [[2, -2], [0, 0], [0, 0, 0, 0]]
  # 3 of 8 rewards are not 0
  expect nonzero_scale(r) == 2.6666666667 within 1e-9
}

test "where every group agrees GPG has nothing to say" {
  let r = [[1, 1], [0, 0]] @ sample
  expect gpg_advantage(r) == [[0, 0], [0, 0]]
}

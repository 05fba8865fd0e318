## KL-regularised reinforcement as Bayesian inference: the reward is evidence, the start the prior, and the optimum a posterior.
## Paper: Korbak et al. 2022, "RL with KL penalties is better viewed as Bayesian inference".
##
## Reward less `beta` times KL to the start has one optimum, `p0 exp(r / beta) / Z`. Maximising it is the reverse KL to that
## target, beta times; and any other divergence from the same target is an objective in its own right. Here are two, one after the
## other from the same start: reinforcement with the penalty in the reward (RLOO as its baseline), and the forward KL to
## the target, as distributional control has it, by samples of the policy with self-normalised weights `target / p`.
## The paper has no experiment; beta 1 in its example. With beta towards 0 the target is all on the best answer.

import std.group (rloo_advantage)
import std.policy_gradient (reinforce)
import std.regression (regularized_reward)

param beta: Real in (0, 100] = 0.5
param samples: Int in [2, 64] = 16
param prompts: Int in [1, 4096] = 8
param steps: Int in [1, 100000] = 20

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy start = frozen(actor)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 3 }

reward correct = text.ends_with(y.text, problems.answer)

let log_p = sum(logp(actor, y), per: sample)
let log_start = sum(logp(start, y), per: sample)
let advantage = rloo_advantage(regularized_reward(correct, log_p - log_start, beta))
let weight = target_weight(log_p, log_start, correct, beta)

## The logarithm of the optimum, up to the constant that makes it a distribution: `log p0 + r / beta`.
fn log_target(log_start: Real, reward: Real, beta: Real) -> Real = log_start + reward / beta

## How much a sample of the policy counts for the target: `target / p` over its mean in the group.
fn target_weight(
  log_p: Real @ sample,
  log_start: Real @ sample,
  reward: Real @ sample,
  beta: Real
) -> Real @ sample = {
  let log_weight = log_target(log_start, reward, beta) - log_p
  let weight = exp(log_weight - max(log_weight, per: prompt))
  weight / mean(weight, per: prompt)
}

objective penalised for actor {
  maximize reinforced: mean(reinforce(sum(logp(actor, y), per: sample), advantage))
}

objective distributional for actor {
  minimize forward_kl: -mean(weight * sum(logp(actor, y), per: sample))
}

train {
  stage reinforcement {
    repeat steps {
      draw prompts prompts
      update actor with penalised { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
  reset actor to start
  stage distributional_control {
    repeat steps {
      draw prompts prompts
      update actor with distributional { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "of two answers, even before, with rewards 1 and 0 and beta 1" {
  let log_start = [-0.6931471805599453, -0.6931471805599453] @ sample
  let unnormalised = exp(log_target(log_start, [1, 0] @ sample, 1))
  expect unnormalised / sum(unnormalised) == [0.7310585786, 0.2689414214] within 1e-9
  # at the optimum the objective is log Z
  expect log(sum(unnormalised)) == 0.6201145070 within 1e-9
}

test "what is lost against the optimum is the divergence from it, for any policy" {
  # p is 0.3 and 0.7; J = sum p (r - log(p / p0))
  let p = [0.3, 0.7] @ sample
  let start = [0.5, 0.5] @ sample
  let reward = [1, 0] @ sample
  let objective = sum(p * regularized_reward(reward, log(p / start), 1))
  let unnormalised = exp(log_target(log(start), reward, 1))
  let target = unnormalised / sum(unnormalised)
  expect objective - log(sum(unnormalised)) == -sum(p * log(p / target)) within 1e-12
}

test "the weights of samples are those of the target, and 1 at the optimum" {
  let log_start = [-0.6931471805599453, -0.6931471805599453] @ sample
  # 0.731 and 0.269 over a half each
  expect target_weight(log_start, log_start, [1, 0] @ sample, 1)
    == [1.4621171573, 0.5378828427] within 1e-9
  let log_optimum = log([0.7310585786300049, 0.2689414213699951] @ sample)
  expect target_weight(log_optimum, log_start, [1, 0] @ sample, 1) == [1, 1] within 1e-9
}

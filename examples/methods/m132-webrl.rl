## WebRL: an agent regresses its log-ratio on advantages of logged steps, with critics that know how likely success is.
## Paper: Qi et al. 2024, "WebRL: Training LLM Web Agents via Self-Evolving Online Curriculum Reinforcement Learning".
##
## The optimum of the KL-regularised problem has `beta log(pi / ref) = A`; the squared difference is the loss, off-policy, action by
## action. The advantage mixes one step and the whole trajectory, `lambda (r + V' - V) + (1 - lambda) (R - V)`; V is the
## smaller of two critics' probabilities of success, each fitted by cross-entropy. Past actions are replayed whose probability
## under the policy lies in a band. The reference is renewed in every phase.
## The paper: lambda 0.5, band 0.5 .. 0.95 of the inverse perplexity. The authors' code binarises the advantage to 1 and -0.6, keeps
## the positive ones and takes a smooth L1; the equation is what stands here. New tasks are written by a language model
## from those that failed; here the log is fixed, and the band is wide, since the policy starts untrained.

import std.value (logit_value_loss)

param beta: Real in (0, 10] = 1
param lambda: Real in [0, 1] = 0.5
param low: Real in [0, 1] = 0.05
param high: Real in [0, 1] = 0.95
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data log from python("tasks.browsing:steps", count: 1024) {
  state:       Text
  action:      Text
  after:       Text
  next_action: Text
  reward:      Real
  success:     Real
  goes_on:     Real
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdlrx>"))
policy ref = frozen(actor)
critic first_head from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdlrx>"))
critic second_head from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdlrx>"))

response taken = log.action given log.state
response following = log.next_action given log.after

let here = min(chance(value(first_head, taken)), chance(value(second_head, taken)))
let there =
  log.goes_on * min(chance(value(first_head, following)), chance(value(second_head, following)))
let advantage = blended(log.reward, here, there, log.success, lambda)
let confidence = exp(mean(logp(actor, taken), per: sample))
let replayed = confidence >= low and confidence <= high

## The probability of success before the first token, from a critic's logits.
fn chance(logit: Real @ token) -> Real @ sample = first(sigmoid(logit), per: sample)

## One step's advantage and the outcome's, mixed.
fn blended(reward: Real, here: Real, there: Real, outcome: Real, weight: Real) -> Real =
  weight * (reward + there - here) + (1 - weight) * (outcome - here)

## The squared distance of the scaled log-ratio from the advantage.
fn kl_regression(log_ratio: Real, advantage: Real, beta: Real) -> Real =
  (beta * log_ratio - advantage) ^ 2

objective policy_step for actor {
  let log_ratio = sum(logp(actor, taken) - logp(ref, taken), per: sample)
  minimize loss: mean(kl_regression(log_ratio, advantage, beta), where: replayed)
}
objective first_values for first_head {
  minimize loss: mean(logit_value_loss(first(value(first_head, taken), per: sample), log.success))
}
objective second_values for second_head {
  minimize loss: mean(logit_value_loss(first(value(second_head, taken), per: sample), log.success))
}

train {
  stage critics {
    repeat warm {
      draw 32 rows
      update first_head with first_values { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update second_head with second_values { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  repeat 2 {
    reset ref to actor
    stage phase {
      repeat steps {
        draw 32 rows
        update actor with policy_step { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      }
    }
  }
}

test "a step from 0.4 to 0.6 in a trajectory that succeeds" {
  expect blended(0, 0.4, 0.6, 1, 0.5) == 0.4 within 1e-12
}

test "the optimum has the log-ratio A / beta; at the reference with advantage 0 nothing moves" {
  let log_ratio = live([0.8, 0, 0.3] @ sample)
  let advantage = [0.4, 0, 0.4] @ sample
  expect gradient(sum(kl_regression(log_ratio, advantage, 0.5)), of: log_ratio)
    == [0, 0, -0.25] within 1e-12
}

## VeriRL: hardware code, with a reward model from test benches and losses that weigh what is likely or good by how much it is.
## Paper: "VERIRL: Boosting the LLM-based Verilog Code Generation via Reinforcement Learning" (2025).
##
## Pairs for the reward model are mined from candidates by their pass rates: the better one passes more than 0.8 and 0.4 more than the
## other, which passes something. Candidates that pass next to nothing are repaired, and their score is traced back from the repairs.
## In reinforcement an answer's clipped term weighs `a`, the larger of its probability and its reward over their means in the batch,
## and its divergence from the policy that drew it weighs `b`, the smaller: what is both likely and good is held most.
## The paper: 10 candidates, 2 rounds of repair; REINFORCE++, 4 answers, ratio in 0.8 .. 1.2, 256 prompts, lr 5e-7; imitation,
## reinforcement, imitation of what passes more than 0.8, reinforcement. Stands in: programs of one operation for circuits.

import std.group (reinforce_plus_plus_advantage)
import std.reward_model (bradley_terry)
import std.supervised (nll_token_mean, rft)
import std.surrogate (clipped)

param samples: Int in [2, 64] = 4
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 15

data problems from python("tasks.programs:candidates", count: 512) {
  item:        Text
  task:        Text
  better:      Text
  worse:       Text
  better_rate: Real
  worse_rate:  Real
  solution:    Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("as0123x+-p<d>"))
policy old = frozen(actor)
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("as0123x+-p<d>"))

response shown = problems.solution given problems.item
response win = problems.better given problems.item
response lose = problems.worse given problems.item

rollout y ~ actor(problems.item) { samples: samples, max_tokens: 4 }

extern fn share_passed(text: Text, task: Text) -> Real in [0, 1] = python(
  "tasks.programs:share_passed"
) { timeout: 5s }

let told = is_pair(problems.better_rate, problems.worse_rate)
let passed = share_passed(y.text, problems.task)

reward quality = sigmoid(score(rm, y))

let probability = exp(sum(logp(actor, y), per: sample))
let advantage = reinforce_plus_plus_advantage(at_last(quality, y), 1.0, 1e-8)
let surrogate_weight = larger_weight(probability, quality)
let divergence_weight = smaller_weight(probability, quality)

## Whether two candidates make a pair by their pass rates.
fn is_pair(better: Real, worse: Real) -> Bool = better > worse + 0.4 and better > 0.8 and worse > 0

## The larger and the smaller of an answer's probability and its reward, each over its mean in the batch.
fn larger_weight(probability: Real, reward: Real) -> Real =
  max(probability / mean(probability), reward / mean(reward))
fn smaller_weight(probability: Real, reward: Real) -> Real =
  min(probability / mean(probability), reward / mean(reward))

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective preferences for rm {
  minimize loss: mean(bradley_terry(score(rm, win), score(rm, lose)), where: told) else 0
}

objective balanced for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(surrogate_weight * clipped(ratio, advantage, 0.8 .. 1.2))
  minimize divergence: mean(divergence_weight * kl(actor, old, y))
}

objective of_what_passes for actor {
  minimize nll: rft(logp(actor, y), passed > 0.8) else 0
}

train {
  stage imitation {
    repeat warm {
      draw 32 rows
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update rm with preferences { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage first_reinforcement {
    repeat steps {
      reset old to actor
      draw prompts prompts
      update actor with balanced {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage rejection_sampling {
    repeat warm {
      draw 8 prompts
      update actor with of_what_passes { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      update rm with preferences { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
  stage second_reinforcement {
    repeat steps {
      reset old to actor
      draw prompts prompts
      update actor with balanced {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a probability of twice the mean and a reward of the mean weigh 2 and 1" {
  let probability = [0.8, 0, 0.4] @ sample
  let reward = [0.5, 0.5, 0.5] @ sample
  expect larger_weight(probability, reward) == [2, 1, 1] within 1e-12
  expect smaller_weight(probability, reward) == [1, 0, 1] within 1e-12
}

test "where all are alike it is the clipped loss and the divergence" {
  let probability = [0.3, 0.3] @ sample
  let reward = [0.9, 0.9] @ sample
  expect larger_weight(probability, reward) == [1, 1]
  expect smaller_weight(probability, reward) == [1, 1]
}

test "0.95 and 0.5 are a pair, 0.9 and 0.6 are not, nor is what fails all tests" {
  let better = [0.95, 0.9, 1] @ sample
  expect where(is_pair(better, [0.5, 0.6, 0] @ sample), 1, 0) == [1, 0, 0]
}

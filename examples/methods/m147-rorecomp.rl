## RoRecomp: shorter reasoning by what is put into a batch: short right answers and long wrong ones first.
## Paper: Li et al. 2025, "RoRecomp: Enhancing Reasoning Efficiency via Rollout Response Recomposition in Reinforcement Learning".
##
## Rewards and advantages stay as they are. Of each prompt's answers the shortest right ones and the longest wrong ones, a share
## `alpha` of each kind, make the priority batch; the rest is learned from in compensation batches, now and then and ever more
## rarely. With alpha 1 it is the base algorithm.
## The paper uses it under PPO and GRPO, for agents with calls of tools in the place of tokens; alpha and the course of the
## compensation are not published: 2/3 here, and every 4th and then every 8th iteration. Shares are rounded to whole answers.

import std.surrogate (clipped)

param alpha: Real in (0, 1] = 0.6666666667
param samples: Int in [2, 64] = 12
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 16

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 6 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let first = has_priority(correct, y.length, alpha)

## Whether an answer is among the shortest right or the longest wrong ones of its prompt, a share of each kind; of equally long ones
## the first.
fn has_priority(correct: Real @ sample, length: Real @ sample, share: Real) -> Bool @ sample = {
  let right = rank(where(correct > 0, length, inf), per: prompt)
  let wrong = rank(where(correct > 0, -inf, length), per: prompt, descending: true)
  let most_right = floor(share * sum(correct, per: prompt) + 0.5)
  let most_wrong = floor(share * sum(1 - correct, per: prompt) + 0.5)
  where(correct > 0, right, wrong) < where(correct > 0, most_right, most_wrong)
}

objective priority for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: first)
}

objective compensation for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: not first) else 0
}

train {
  stage often {
    repeat steps {
      draw prompts prompts
      update actor with priority {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
      every 4 {
        update actor with compensation {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
  stage rarely {
    repeat steps {
      draw prompts prompts
      update actor with priority {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
      every 8 {
        update actor with compensation {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "right answers of 100, 200 and 400 tokens, wrong ones of 150, 300 and 500, two thirds of each" {
  let correct = [1, 1, 1, 0, 0, 0] @ sample
  let length = [100, 200, 400, 150, 300, 500] @ sample
  expect has_priority(correct, length, 0.6666666667) == [1, 1, 0, 0, 1, 1]
}

test "with all of them it is the base algorithm, and a kind that is missing is no trouble" {
  let correct = [[1, 0, 1], [0, 0, 0]] @ sample
  let length = [[3, 3, 3], [5, 1, 2]] @ sample
  expect has_priority(correct, length, 1) == [[1, 1, 1], [1, 1, 1]]
  expect has_priority(correct, length, 0.3333333333) == [[1, 0, 0], [1, 0, 0]]
}

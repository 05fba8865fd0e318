## ProRL: reinforcement learning for thousands of steps, kept alive by a reference and optimisers that are renewed.
## Paper: Liu et al. 2025, "ProRL: Prolonged Reinforcement Learning Expands Reasoning Boundaries in Large Language Models".
##
## GRPO with DAPO's wider upper bound and with prompts that are all right or all wrong left out, and a small KL to a reference.
## When the score on validation questions stalls or falls, the reference becomes the policy and the optimiser starts anew, as it
## does where a stage is entered.
## The paper: ratio in 0.8 .. 1.4, 16 answers at temperature 1.2, 256 prompts of which 64 make an update batch, lr 2e-6, about 8
## renewals in more than 2000 steps. Tasks of five kinds; one here.

import std.divergence (k3, k3_of)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 16
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 10

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}
data validation from python("tasks.letters:problems", count: 64, held_out: true) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4, temperature: 1.2 }
rollout z ~ actor(validation.question) { samples: 4, max_tokens: 4, temperature: 1.2 }

reward correct = text.ends_with(y.text, problems.answer)
reward validated = text.ends_with(z.text, validation.answer)

state best: Real = 0

let stalls = is_stalled(mean(validated), best)
let advantage = normalize(correct, per: prompt, guard: 1e-6)
let informative = std(correct, per: prompt) > 0

## Whether a score is no better than the best so far.
fn is_stalled(score: Real, best: Real) -> Bool = score <= best

objective prolonged for actor {
  let ratio = exp(logp(actor, y, temperature: 1.2) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.4), where: informative)
  minimize kl: beta * mean(k3(actor, ref, y))
}

train {
  repeat 4 {
    repeat steps {
      draw prompts prompts
      update actor with prolonged {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
    draw 16 rows from validation
    when stalls {
      stage renewal { reset ref to actor }
    }
    best <- max(best, mean(validated))
  }
}

test "just after a reset the KL is 0, and so is its gradient" {
  let d = live([0, 0] @ sample)
  expect k3_of(d) == [0, 0]
  expect gradient(sum(k3_of(d)), of: d) == [0, 0]
}

test "a group that agrees gives no token to the mean" {
  let correct = [[1, 1], [1, 0]] @ sample
  let informative = std(correct, per: prompt) > 0
  expect informative == [0, 1]
  expect count(correct, where: informative) == 2
}

test "a score that does not rise stalls" {
  let score = [0.3, 0.4, 0.5] @ sample
  expect is_stalled(score, 0.4) == [1, 1, 0]
}

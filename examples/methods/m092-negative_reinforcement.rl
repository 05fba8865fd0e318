## W-REINFORCE: learning from mistakes, with right answers at a tenth of the weight.
## Paper: Zhu et al. 2025, "The Surprising Effectiveness of Negative Reinforcement in LLM Reasoning".
##
## No baseline: a wrong answer has advantage -1, a right one `lambda`. With lambda 0 it is NSR (wrong answers alone), with
## lambda 1 REINFORCE on rewards of 1 and -1. PSR, the other half alone, is `mean(…, where: correct)`.
## The paper: lambda 0.1, 8 answers, ratio in 0.8 .. 1.2, no KL, 1024 prompts of which 256 make an update batch, lr 1e-6.
## Here the model and the batch are small, and the learning rate fits them.

import std.outcome (w_reinforce)
import std.surrogate (clipped)

param lambda: Real in [0, 1] = 0.1
param samples: Int in [1, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = w_reinforce(correct, lambda)

objective negative_reinforcement for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with negative_reinforcement {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "a wrong token gives its mass to the others in proportion to what they had" {
  # logits of a policy (0.5, 0.3, 0.2) that drew the first token; -(1 - p) for it, +p for each other
  let logits = live([-0.6931471805599453, -1.2039728043259361, -1.6094379124341003] @ sample)
  let drawn = sum(logits * [1, 0, 0] @ sample) - log(sum(exp(logits)))
  expect gradient(w_reinforce(0, 0.1) * drawn, of: logits) == [-0.5, 0.3, 0.2] within 1e-12
}

test "with weight 1 it is REINFORCE without a baseline" {
  let correct = [1, 0, 0, 1] @ sample
  expect w_reinforce(correct, 1) == [1, -1, -1, 1]
}

test "with weight 0 a batch of right answers teaches nothing" {
  let ratio = live([1, 1.1, 0.9] @ sample)
  let correct = [1, 1, 1] @ sample
  expect gradient(mean(clipped(ratio, w_reinforce(correct, 0), 0.8 .. 1.2)), of: ratio) == [0, 0, 0]
}

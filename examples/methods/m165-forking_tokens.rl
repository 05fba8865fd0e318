## 80/20 forking tokens: a policy gradient on the most uncertain fifth of the tokens.
## Paper: Wang et al. 2025, "Beyond the 80/20 Rule: High-Entropy Minority Tokens Drive Effective Reinforcement Learning for
## LLM Reasoning".
##
## DAPO's clipped surrogate, but only the tokens at which the policy hesitates count: the share `rho` of highest entropy
## over all tokens of the update batch (not of each answer), in the numerator and in the denominator.
## The paper: rho 0.2, 16 answers, ratio in 0.8 .. 1.28, dual clip 10, an overlong penalty over the last fifth of 20480
## tokens, no KL, no entropy bonus. Here the model, the answers and the batch are small.

import std.entropy (forking_tokens)
import std.surrogate (dual_clipped)

param rho: Real in (0, 1] = 0.2
param samples: Int in [2, 64] = 16
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 5, temperature: 1.0 }

reward correct = text.ends_with(y.text, problems.answer)

## Nothing is lost up to 4 tokens; the fifth, at which an answer is cut, costs 1.
reward total = correct - overlong(y.length, 4, 5)

let advantage = normalize(total, per: prompt, guard: 1e-4)
let informative = std(correct, per: prompt) > 0

## 0 up to `free` tokens, then linearly to 1 at `most`: DAPO's overlong penalty.
fn overlong(length: Real, free: Real, most: Real) -> Real =
  clip((length - free) / (most - free), 0 .. 1)

objective dapo_on_forks for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  let kept = forking_tokens(where(informative, entropy(actor, y), absent), rho)
  maximize surrogate: mean(dual_clipped(ratio, advantage, 0.8 .. 1.28, 10), where: kept)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with dapo_on_forks {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "a fifth of five tokens is the one of highest entropy, and the loss is its term" {
  let h = [[0.1, 2.0, 0.5], [1.5, 0.2]] @ token
  let ratio = [[1.1, 0.9, 1.4], [1, 0.7]] @ token
  let advantage = [1, -1] @ sample
  let kept = forking_tokens(h, 0.2)
  expect kept == [[0, 1, 0], [0, 0]]
  expect mean(dual_clipped(ratio, advantage, 0.8 .. 1.28, 10), where: kept) == 0.9
}

test "with rho 1 every token counts: DAPO" {
  let h = [[0.1, 2.0, 0.5], [1.5, 0.2]] @ token
  expect forking_tokens(h, 1) == [[1, 1, 1], [1, 1]]
}

test "tokens of groups that agree neither count nor are counted" {
  let h = [[[0.1, 2.0]], [[0.5, 0.3, 0.4]]] @ token
  let informative = [0, 1] @ prompt
  let kept = forking_tokens(where(informative > 0, h, absent), 0.5)
  expect sum(where(informative > 0, h, 0), where: kept) == 0.9 within 1e-12
  expect (kept else 0) == [[[0, 0]], [[1, 0, 1]]]
}

test "the overlong penalty rises over the last place" {
  let length = [3, 4, 5] @ sample
  expect overlong(length, 4, 5) == [0, 0, 1]
}

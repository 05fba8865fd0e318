## 1-shot RLVR: GRPO on one question, drawn again and again, with a small entropy bonus.
## Paper: Wang et al. 2025, "Reinforcement Learning for Reasoning in Large Language Models with One Training Example".
##
## The question is the one whose accuracy changed most over an earlier run on the whole pool (the largest historical
## variance); `tasks.letters:one_problem` chooses it by logged accuracies and gives as many copies as a batch holds. Once every
## answer is right, the policy gradient is 0 and entropy and KL alone still move the policy.
## The paper: 128 copies, 8 answers at temperature 0.6, ratio in 0.8 .. 1.2, KL 0.001 to the start (k3), entropy 0.001,
## lr 1e-6. `advantage_weight` 0 is the paper's ablation with the entropy term alone.

import std.surrogate (clipped)
import std.divergence (k3)

param advantage_weight: Real in {0, 1} = 1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problem from python("tasks.letters:one_problem", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout y ~ actor(problem.question) { samples: samples, max_tokens: 4, temperature: 0.6 }

reward correct = text.ends_with(y.text, problem.answer)

let advantage = advantage_weight * normalize(correct, per: prompt, guard: 1e-4)

objective one_shot for actor {
  let ratio = exp(logp(actor, y, temperature: 0.6) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: 0.001 * mean(mean(k3(actor, ref, y), per: sample))
  maximize entropy: 0.001 * mean(mean(entropy(actor, y, temperature: 0.6), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with one_shot {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "once every answer is right the policy gradient is exactly 0" {
  let correct = [1, 1, 1, 1] @ sample
  let ratio = live([1, 1.3, 0.7, 1] @ sample)
  let advantage = normalize(correct, per: prompt, guard: 1e-4)
  expect advantage == [0, 0, 0, 0]
  expect gradient(mean(clipped(ratio, advantage, 0.8 .. 1.2)), of: ratio) == [0, 0, 0, 0]
}

test "an accuracy that changed has a larger variance than one that stayed" {
  let history = [[0, 1, 0, 1], [1, 1, 1, 1]] @ sample
  expect var_population(history, per: prompt) == [0.25, 0]
}

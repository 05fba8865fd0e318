## BroRL: hundreds of answers to each prompt, so that what was not sampled can no longer pull the wrong way.
## Paper: Hu et al. 2025, "BroRL: Scaling Reinforcement Learning via Broadened Exploration".
##
## In one step on the logits the mass of right tokens changes by three sums: over sampled right tokens and over sampled wrong ones,
## neither of which is ever negative, and over tokens that were not sampled, which may be. The more answers, the smaller the
## third. The recipe is ProRL's second one: reward less the prompt's mean, scaled by the deviation over the batch, ratio in
## 0.8 .. 1.27, prompts that agree left out, a KL to a reference that is renewed; the learning rate grows with the root of the batch.
## The paper: 512 answers, where ProRL has 16. Here 64, and a learning rate of 1e-3 times the root of 64 / 16.

import std.advantage (centre_and_scale)
import std.divergence (k3)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 4096] = 64
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = centre_and_scale(correct, mean_per: prompt, std_per: batch, guard: 1e-8)
let informative = std(correct, per: prompt) > 0

objective broad for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.27), where: informative)
  minimize kl: beta * mean(k3(actor, ref, y))
}

train {
  repeat 2 {
    reset ref to actor
    stage broad {
      repeat steps {
        draw prompts prompts
        update actor with broad {
          minibatch: 4 prompts
          optimizer: adamw(lr: 2e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "the mass of right tokens after one step, of which two of four were sampled" {
  # probabilities 0.4, 0.3, 0.2, 0.1, the first and the third are right, the first and the second were sampled: rewards 1 and -1
  # S = 0.4 - 0.3 = 0.1; 0.9 * 0.4 * 0.16 + 1.1 * 0.6 * 0.09 + 0.1 * (0.6 * 0.01 - 0.4 * 0.04) = 0.116
  let p = [0.4, 0.3, 0.2, 0.1] @ sample
  let logits =
    live(
      [-0.916290731874155, -1.2039728043259361, -1.6094379124341003, -2.302585092994046] @ sample
    )
  let right = [1, 0, 1, 0] @ sample
  let reward = [1, -1, 0, 0] @ sample
  let now = exp(logits - log(sum(exp(logits))))
  let step = gradient(sum(now * reward), of: logits)
  expect sum(right * p * (step - sum(p * step))) == 0.116 within 1e-12
}

test "with everything sampled no term can be negative" {
  # 0.6 right: S = 0.6 - 0.4 = 0.2; 0.8 * 0.4 * 0.2 + 1.2 * 0.6 * 0.1
  let p = [0.4, 0.3, 0.2, 0.1] @ sample
  let logits =
    live(
      [-0.916290731874155, -1.2039728043259361, -1.6094379124341003, -2.302585092994046] @ sample
    )
  let right = [1, 0, 1, 0] @ sample
  let now = exp(logits - log(sum(exp(logits))))
  let step = gradient(sum(now * (2 * right - 1)), of: logits)
  expect sum(right * p * (step - sum(p * step))) == 0.136 within 1e-12
}

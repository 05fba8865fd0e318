## T1: leave-one-out REINFORCE over many hot samples, with a reference that follows the policy and a KL that ignores length.
## Paper: Hou et al. 2025, "Advancing Language Model Reasoning through Reinforcement Learning and Inference Scaling".
##
## A prompt gets many answers at a high temperature; answers that are cut off are left out of the loss and lose a point. The
## advantage is the reward less the mean of the others, less a KL to the reference that is centred over the batch, so that long
## answers do not pay for being long. The reference is a moving average of the policy; an entropy bonus keeps it exploring.
## The paper: 64 answers at temperature 1.2, KL and entropy coefficients not published (`beta`, `bonus` here), the reference
## kept by `tau` 0.99 of itself. With tau 1 it would be `frozen(actor)`; with tau 0 the KL is 0.
## Here: 16 answers of a small model that starts untrained.

import std.advantage (centre, leave_one_out)
import std.divergence (k1)
import std.policy_gradient (reinforce)

param beta: Real in [0, 1] = 0.01
param bonus: Real in [0, 1] = 0.003
param samples: Int in [2, 512] = 16
param prompts: Int in [1, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = ema(actor, rate: 0.01)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4, temperature: 1.2 }

reward total = text.ends_with(y.text, problems.answer) - where(y.finished, 0, 1)

let divergence = sum(k1(actor, ref, y), per: sample)
let advantage = leave_one_out(total, per: prompt) - beta * centre(divergence, per: batch)

objective t1 for actor {
  let log_p = logp(actor, y, temperature: 1.2)
  maximize surrogate: mean(reinforce(sum(log_p, per: sample), advantage), where: y.finished)
  maximize entropy: bonus * mean(entropy(actor, y, temperature: 1.2))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with t1 { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "of two answers the right one has advantage 1, the wrong one -1" {
  expect leave_one_out([1, 0] @ sample, per: prompt) == [1, -1]
}

test "the centred divergence adds up to 0 over the batch" {
  let divergence = [[0.3, 0.9], [1.5, 0.1]] @ sample
  expect sum(centre(divergence, per: batch)) == 0 within 1e-12
  expect centre(divergence, per: batch) == [[-0.4, 0.2], [0.8, -0.6]] within 1e-12
}

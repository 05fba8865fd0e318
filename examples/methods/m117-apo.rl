## APO: iterative DPO with momentum, the reference extrapolated from the last two iterates.
## Paper: He et al. 2024, "Accelerated Preference Optimization for Large Language Model Alignment".
##
## Iterative preference optimisation is a proximal point method, and Nesterov's extrapolation speeds it up: the next reference
## is the last iterate times its ratio to the one before, to the power alpha. In a margin the constant cancels, so the reference's
## log-probability is `(1 + alpha) log now - alpha log before`, of the policy at the start of this iteration and of the last.
## Pairs are the policy's own best and worst.
## The paper: alpha in [0, 1), beta 0.1, three iterations. Answers are drawn from the last iterate here, not from the
## extrapolated policy, which has no weights of its own.
## Stands in: a verifier for the reward model that labels pairs.

import std.pairing (is_apart, of_best, of_worst)
import std.preference (dpo)

param alpha: Real in [0, 1) = 0.3
param beta: Real in (0, 10] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy before = stored(actor, lag: 1)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let differ = is_apart(correct, 0, per: prompt)
let reference = extrapolated(logp(actor, y), logp(before, y), alpha)

## The logarithm of a policy, extrapolated from two iterates, up to a constant.
fn extrapolated(now: Real, before: Real, alpha: Real) -> Real = now + alpha * (now - before)

objective momentum for actor {
  let gain = sum(logp(actor, y) - reference, per: sample)
  let margin = of_best(gain, correct, per: prompt) - of_worst(gain, correct, per: prompt)
  minimize loss: mean(dpo(margin, beta), where: differ)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with momentum {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "from an even policy to 0.6 and 0.4, extrapolated by 0.3" {
  let now = [-0.5108256237659907, -0.916290731874155] @ sample
  let before = [-0.6931471805599453, -0.6931471805599453] @ sample
  let log_p = extrapolated(now, before, 0.3)
  expect exp(log_p) / sum(exp(log_p)) == [0.6288075625, 0.3711924375] within 1e-9
}

test "with alpha 0, or where the policy stands still, it is the last iterate" {
  let now = [-0.5, -0.9] @ sample
  expect extrapolated(now, [-0.7, -0.7] @ sample, 0) == now
  expect extrapolated(now, now, 0.3) == now
}

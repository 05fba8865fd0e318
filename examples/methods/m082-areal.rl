## AReaL: decoupled PPO for samples that older weights wrote.
## Paper: Fu et al. 2025, "AReaL: A Large-Scale Asynchronous Reinforcement Learning System for Language Reasoning".
##
## Three policies: the behaviour that wrote an answer, whose log-probabilities came with it token by token; the proximal policy, the
## weights at the start of the training step, about which the clip holds; and the one that is trained. What the proximal policy
## differs from the behaviour by is a frozen weight, cut at a cap.
## The paper: ratio in 0.8 .. 1.2, an optional dual clip, no KL. Generation and training run at once there, with at most `eta`
## versions between them, and weights may change in the middle of an answer; here one follows the other, so that the behaviour is the
## proximal policy itself and the weights are 1 to rounding.

import std.importance (truncated)
import std.surrogate (clipped, decoupled_clipped)

param cap: Real in [1, inf) = 5
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 16
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let proximal = logp(actor, y)
let weight = behaviour_weight(proximal, y.logp, cap)

## The proximal policy over the behaviour, cut at the cap.
fn behaviour_weight(proximal: Real @ token, behaviour: Real @ token, cap: Real) -> Real @ token =
  truncated(exp(proximal - behaviour), cap)

objective decoupled for actor {
  let ratio = exp(logp(actor, y) - proximal)
  maximize surrogate: mean(decoupled_clipped(ratio, weight, advantage, 0.8 .. 1.2))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with decoupled {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "a token that the proximal policy gives e times as much weighs e, and one of e cubed its cap" {
  expect behaviour_weight([[-1, -1, -1]] @ token, [[-2, -1, -4]] @ token, 5)
    == [[2.718281828, 1, 5]] within 1e-9
}

test "where behaviour and proximal policy are one it is PPO" {
  let log_p = live([[-1.1, -0.7], [-2]] @ token)
  let before = [[-1, -0.9], [-1.5]] @ token
  let ratio = exp(log_p - before)
  let advantage = [1, -0.5] @ sample
  let weight = behaviour_weight(before, before, 5)
  let decoupled = mean(decoupled_clipped(ratio, weight, advantage, 0.8 .. 1.2))
  let plain = mean(clipped(ratio, advantage, 0.8 .. 1.2))
  expect decoupled == plain
  expect gradient(decoupled, of: log_p) == gradient(plain, of: log_p)
}

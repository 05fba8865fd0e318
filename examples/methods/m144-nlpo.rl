## NLPO: PPO over the tokens that a lagged copy of the policy finds likely, so that exploration stays within the language.
## Paper: Ramamurthy et al. 2022, "Is Reinforcement Learning (Not) for Natural Language Processing: Benchmarks, Baselines, and
## Building Blocks for Natural Language Policy Optimization".
##
## The mask is a copy of the policy that is renewed every `lag` updates. An answer is drawn from the fewest likeliest tokens of
## the mask that reach `share`, at least `least` of them, end tokens always among them; the ratio reads the policy over the same
## tokens, which were recorded with each draw. Penalty and value see all tokens. With share 1 it is PPO (examples/ppo.rl).
## The paper: share 0.9, at least 100 tokens, the mask renewed every 20 iterations (summarisation), KL coefficient 0.001 that
## follows a target of 0.2, ratio in 0.8 .. 1.2, 5 epochs, lr 2e-6, discount 0.99, lambda 0.95.

import std.coefficient (proportional)
import std.divergence (k1)
import std.returns (gae)
import std.surrogate (clipped)
import std.value (value_loss)

param samples: Int in [1, 64] = 4
param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 10

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy mask = frozen(actor)
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) {
  samples: samples
  max_tokens: 4
  within: top_p(mask, 0.9, least: 2, ends: true)
}

reward metric = text.matching_places(y.text, problems.answer)

state kl_weight: Real in [0, inf) = 0.001

let penalty = k1(actor, ref, y)
let each = at_last(metric, y) - kl_weight * penalty
let before = value(v, y)
let raw = gae(each, before, discount: 0.99, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

kl_weight <- proportional(kl_weight, mean(penalty), 0.2, 0.1, -0.2 .. 0.2)

## The probabilities that are left of `p`, likeliest first, when the fewest that reach `share` are kept.
fn renormalised(p: Real, share: Real) -> Real = {
  let kept = where(scan(p, decay: 1, from: start) - p < share, p, 0)
  kept / sum(kept, per: sample)
}

objective nlpo for actor {
  let ratio = exp(logp(actor, y, within: y.support) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

objective values for v {
  minimize error: mean(value_loss(value(v, y), target))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with nlpo {
      minibatch: 4 prompts
      epochs: 5
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
    update v with values {
      minibatch: 4 prompts
      epochs: 5
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
    every 2 { reset mask to actor }
  }
}

test "of four tokens the first three are kept at 0.9, and what they lack is shared among them" {
  let p = [0.5, 0.3, 0.15, 0.05] @ token
  expect renormalised(p, 0.9) == [0.526316, 0.315789, 0.157895, 0] within 1e-6
}

test "a share of 1 keeps every token" {
  let p = [0.5, 0.3, 0.15, 0.05] @ token
  expect renormalised(p, 1) == p within 1e-9
}

test "the penalty's coefficient grows by a fiftieth where the divergence is far above its target" {
  expect proportional(0.001, 1, 0.2, 0.1, -0.2 .. 0.2) == 0.00102 within 1e-12
}

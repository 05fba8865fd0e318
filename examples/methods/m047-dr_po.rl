## DR-PO: PPO that starts some answers from the beginning of a preferred one, to get to good states.
## Paper: Chang et al. 2024, "Dataset Reset Policy Optimization for RLHF".
##
## With probability `beta` an episode begins not at the prompt but after a random prefix of the answer that a labeller preferred;
## the policy finishes it, and only what the policy wrote is trained. The prefix stands in the prompt, so that a reward model
## reads prompt, prefix and answer as one text, and no mask is needed. With beta 0 it is PPO.
## The paper: beta 1 in the code's default, 0.2 in another script; a Bradley-Terry reward model, KL 0.05 for each token,
## discount 1, lambda 0.95, ratio in 0.8 .. 1.2, value coefficient 0.1 (here the critic has weights of its own).

import std.divergence (k1)
import std.returns (gae)
import std.reward_model (bradley_terry)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param beta: Real in [0, 1] = 1
param kl_weight: Real in [0, 1] = 0.05
param samples: Int in [1, 64] = 4
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data pairs from python("tasks.letters:resets", count: 1024) {
  question: Text
  chosen:   Text
  rejected: Text
  coin:     Real
  place:    Real
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response win = pairs.chosen given pairs.question
response lose = pairs.rejected given pairs.question

let share = reset_share(pairs.coin, pairs.place, beta)

rollout y ~ actor(pairs.question + prefix(pairs.chosen, share)) { samples: samples, max_tokens: 4 }

reward quality = score(rm, y)

let each = at_last(quality, y) - kl_weight * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(each, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

## The share of the preferred answer that an episode begins after: `place` with probability `beta`, else nothing.
fn reset_share(coin: Real, place: Real, beta: Real) -> Real = where(coin < beta, place, 0)

objective preferences for rm {
  minimize loss: mean(bradley_terry(score(rm, win), score(rm, lose)))
}

objective ppo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

train {
  stage reward_model {
    repeat warm {
      draw 32 rows
      update rm with preferences { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage ppo {
    repeat steps {
      draw prompts prompts
      update actor with ppo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "with beta 0 no episode is reset, with beta 1 every one is" {
  let coin = [0.1, 0.5, 0.9] @ sample
  let place = [0.2, 0.4, 0.99] @ sample
  expect reset_share(coin, place, 0) == [0, 0, 0]
  expect reset_share(coin, place, 0.6) == [0.2, 0.4, 0]
  expect reset_share(coin, place, 1) == place
}

test "the longest prefix leaves one character of five" {
  # a prefix keeps the whole part of the share times the length
  expect floor(reset_share(0.3, 0.99, 1) * 5) == 4
}

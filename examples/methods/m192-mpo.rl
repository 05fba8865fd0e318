## MPO (mixed): DPO on pairs that are easy to tell apart, then PPO on the prompts of the others, from a better reference.
## Paper: Gou and Nguyen 2024, "Mixed Preference Optimization: Reinforcement Learning with Data Selection and Better Reference
## Model".
##
## A reward model splits the pairs by how far apart it scores their answers. On the far ones the policy is trained by DPO against
## the supervised model. Then the reference is renewed to what that gave, and PPO goes on with the prompts of the near ones,
## whose labels are doubtful, under the reward model and a KL to the new reference.
## The paper: beta 0.1, the threshold `gamma` per data set and not published, value clip and GAE as usual.
## Both sets are told apart by masks here, so that each draw holds rows of both; a batch has the fewer of its kind.

import std.divergence (k1)
import std.preference (dpo, implicit_reward)
import std.returns (gae)
import std.reward_model (bradley_terry)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param gamma: Real in [0, inf) = 1
param beta: Real in (0, 10] = 0.1
param kl_weight: Real in [0, 1] = 0.05
param samples: Int in [1, 64] = 8
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data pairs from python("tasks.letters:preferences", count: 1024, flipped: 0.2) {
  question: Text
  chosen:   Text
  rejected: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response win = pairs.chosen given pairs.question
response lose = pairs.rejected given pairs.question

rollout y ~ actor(pairs.question) { samples: samples, max_tokens: 4 }

let easy = is_easy(score(rm, win), score(rm, lose), gamma)

reward quality = score(rm, y)

let each = at_last(quality, y) - kl_weight * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(each, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(where(easy, absent, raw), per: batch, guard: 1e-8)
let target = raw + before

## Whether a reward model scores two answers further apart than `gamma`.
fn is_easy(chosen: Real, rejected: Real, gamma: Real) -> Bool = abs(chosen - rejected) > gamma

objective preferences for rm {
  minimize loss: mean(bradley_terry(score(rm, win), score(rm, lose)))
}

objective easy_pairs for actor {
  let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)
  minimize loss: mean(dpo(margin, beta), where: easy)
}

objective hard_prompts for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: not easy)
}

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2), where: not easy)
}

train {
  stage reward_model {
    repeat warm {
      draw 32 rows
      update rm with preferences { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage easy {
    repeat steps {
      draw 32 rows
      update actor with easy_pairs { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage hard {
    repeat steps {
      draw prompts prompts
      update actor with hard_prompts {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "of gaps 0.1, 2.0 and 0.9 the second is easy at gamma 1" {
  let chosen = [0.1, 2.0, -0.4] @ sample
  let rejected = [0, 0, 0.5] @ sample
  expect is_easy(chosen, rejected, 1) == [0, 1, 0]
}

test "gamma 0 is DPO on all, infinity PPO on all" {
  let chosen = [0.1, 2.0, -0.4] @ sample
  expect is_easy(chosen, 0, 0) == [1, 1, 1]
  expect is_easy(chosen, 0, inf) == [0, 0, 0]
}

test "where the reference was just renewed the pairs' loss is ln 2 and its margin 0" {
  expect dpo(0, 0.1) == 0.6931471806 within 1e-9
}

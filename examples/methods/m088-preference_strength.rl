## Secrets of RLHF II: how strong a preference is, by the votes of many reward models, decides what is learned from it.
## Paper: Wang et al. 2024, "Secrets of RLHF in Large Language Models Part II: Reward Modeling".
##
## Reward models that saw the data in different orders give each pair a strength, the mean difference of its scores. Pairs of the
## lowest strength are taken to be labelled the wrong way round and are flipped, those a little stronger have their labels smoothed,
## and the strength itself is the margin that the final reward model should reach. PPO follows, with that reward and a KL to the start.
## The paper: 10 models, the lowest 20 %, a smoothing that is not published as one number (0.1 here), lr 5e-6 for the reward model,
## PPO with gamma 1 and lambda 0.95. Here 3 models, and a fifth of each kind.

import std.advantage (whiten)
import std.divergence (k1)
import std.returns (gae)
import std.reward_model (bradley_terry, bradley_terry_smoothed, ensemble_mean)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param flipped_share: Real in [0, 1) = 0.2
param smoothed_share: Real in [0, 1) = 0.2
param smoothing: Real in [0, 0.5) = 0.1
param samples: Int in [1, 64] = 4
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 15

data pairs from python("tasks.letters:preferences", count: 1024) {
  question: Text
  chosen:   Text
  rejected: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
scorer a from tiny(layers: 2, width: 32, heads: 4, tokenizer: characters("abcd>"))
scorer b from tiny(layers: 2, width: 32, heads: 4, tokenizer: characters("abcd>"))
scorer c from tiny(layers: 2, width: 32, heads: 4, tokenizer: characters("abcd>"))
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response win = pairs.chosen given pairs.question
response lose = pairs.rejected given pairs.question

rollout y ~ actor(pairs.question) { samples: samples, max_tokens: 4 }

let strength =
  ensemble_mean(
    each(
      score(a, win) - score(a, lose),
      score(b, win) - score(b, lose),
      score(c, win) - score(c, lose)
    )
  )

reward quality = score(rm, y)

let before = value(v, y)
let raw = gae(at_last(quality, y) - 0.01 * k1(actor, ref, y), before, 1.0, 0.95)
let advantage = whiten(raw, per: batch, guard: 1e-8)
let target = raw + before

## Whether a pair is among the weakest, a share of the batch by number.
fn is_weakest(strength: Real, share: Real) -> Bool =
  rank(strength, per: batch) < floor(share * count(strength) + 0.5)

## -1 for the weakest pairs, whose labels are turned round, 1 for others.
fn direction(strength: Real, share: Real) -> Real = where(is_weakest(strength, share), -1, 1)

## The smoothing of a label: some for pairs that are weak and are not flipped, else 0.
fn smoothing_of(strength: Real, flipped: Real, smoothed: Real, smoothing: Real) -> Real =
  where(
    is_weakest(strength, flipped + smoothed) and not is_weakest(strength, flipped),
    smoothing,
    0
  )

## Bradley-Terry of a pair in a direction, with the strength in that direction as the margin and a smoothed label.
fn by_strength(difference: Real, strength: Real, direction: Real, smoothing: Real) -> Real =
  bradley_terry_smoothed(direction * (difference - strength), 0, smoothing)

objective first for a {
  minimize loss: mean(bradley_terry(score(a, win), score(a, lose)))
}

objective second for b {
  minimize loss: mean(bradley_terry(score(b, win), score(b, lose)))
}

objective third for c {
  minimize loss: mean(bradley_terry(score(c, win), score(c, lose)))
}

objective final for rm {
  let way = direction(strength, flipped_share)
  let label = smoothing_of(strength, flipped_share, smoothed_share, smoothing)
  minimize loss: mean(by_strength(score(rm, win) - score(rm, lose), strength, way, label))
}

objective ppo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

train {
  stage votes {
    repeat warm {
      draw 32 rows
      update a with first { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      draw 32 rows
      update b with second { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      draw 32 rows
      update c with third { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage final {
    repeat warm {
      draw 32 rows
      update rm with final { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
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

test "a difference that is the strength itself costs ln 2" {
  expect by_strength(0.5, 0.5, 1, 0) == 0.6931471806 within 1e-9
}

test "without strength and smoothing it is Bradley-Terry" {
  let difference = live([0.7, -0.3] @ sample)
  let loss = sum(by_strength(difference, 0, 1, 0))
  expect loss == sum(bradley_terry(difference, 0)) within 1e-12
  expect gradient(loss, of: difference)
    == gradient(sum(bradley_terry(difference, 0)), of: difference) within 1e-12
}

test "who flips twice flips nothing" {
  let way = -1 * -1
  expect by_strength(0.7, 0.2, way, 0.1) == by_strength(0.7, 0.2, 1, 0.1)
}

test "of five pairs the weakest is flipped and the next one smoothed" {
  let strength = [2, -1, 0.5, 0.1, 1] @ sample
  expect direction(strength, 0.2) == [1, -1, 1, 1, 1]
  expect smoothing_of(strength, 0.2, 0.2, 0.1) == [0, 0, 0, 0.1, 0]
}

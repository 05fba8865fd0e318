## KF-GRPO: a bonus for answers about a film that need its frames in their order.
## Paper: "ChronoForge-RL: Chronological Forging through Reinforcement Learning for Enhanced Video Understanding" (2025).
##
## Each question is asked twice, with its key frames in the order of time and shuffled. A right answer to the ordered film gets
## a bonus where the ordered film is understood at least `mu` times as often as the shuffled one, weighted by how salient its key
## frames are. The rest is GRPO with a KL. Key frames are chosen from the film before training (`tasks.frames`): where
## the variation between neighbouring frames turns most.
## The paper's own constants are not published; Video-R1, which has the same contrast, takes alpha 0.3 and mu 0.8.
## Stands in: letters for frames, and fixed points in a plane for their features.

import std.divergence (k3)
import std.surrogate (clipped)

param alpha: Real in [0, 1] = 0.3
param mu: Real in [0, 2] = 0.8
param beta: Real in [0, 1] = 0.001
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data films from python("tasks.frames:films", count: 512) {
  ordered:  Text
  shuffled: Text
  answer:   Text target
  salience: Real
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout y ~ actor(films.ordered) { samples: samples, max_tokens: 3 }
rollout z ~ actor(films.shuffled) { samples: samples, max_tokens: 3 }

reward correct = text.ends_with(y.text, films.answer)
reward correct_shuffled = text.ends_with(z.text, films.answer)
reward formed = verify.regex(y.text, "[abcd]+")

let order_helps = needs_order(mean(correct, per: prompt), mean(correct_shuffled, per: prompt), mu)

reward total =
  correct + 0.5 * formed + chronological_bonus(correct, order_helps, films.salience, alpha)

let advantage = normalize(total, per: prompt, guard: 1e-4)

## Whether the ordered film is understood at least `share` times as often as the shuffled one.
fn needs_order(ordered: Real @ prompt, shuffled: Real @ prompt, share: Real) -> Bool @ prompt =
  ordered >= share * shuffled

## `size` times the salience for a right answer where the order helps, else 0.
fn chronological_bonus(correct: Real, helps: Bool, salience: Real, size: Real) -> Real =
  where(helps and correct > 0, size * salience, 0)

objective kf_grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with kf_grpo {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "a tie grants the bonus at mu 1" {
  let p = [0.5] @ prompt
  expect needs_order(p, p, 1) == [1]
}

test "half against all, at mu 0.8, grants none" {
  let correct = [[1, 0]] @ sample
  let helps = needs_order([0.5] @ prompt, [1.0] @ prompt, 0.8)
  expect helps == [0]
  expect chronological_bonus(correct, helps, 1, 0.3) == [0, 0]
}

test "the bonus is for right answers, by salience; without it the rest is GRPO" {
  let correct = [[1, 0]] @ sample
  let helps = needs_order([0.5] @ prompt, [0.5] @ prompt, 0.8)
  expect chronological_bonus(correct, helps, 0.5, 0.3) == [0.15, 0]
  expect chronological_bonus(correct, helps, 0.5, 0) == [0, 0]
}

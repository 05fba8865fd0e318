## PresAesth (EvoPresent): one judge of slides for comparing, finding defects and scoring, each with its own tolerance.
## Paper: "Presenting a Paper is an Art: Self-Improvement Aesthetic Agents for Academic Presentations" (2025).
##
## The reward is a point for the form and a point for the verdict: of a comparison if it is right, of defects if their F1 lies
## above `alpha`, of a score if it is less than `zeta` from the reference. Rows of all kinds mix in a batch; each answer is
## graded by the kind of its own row.
## The paper: GRPO on a 7B model, ratio in 0.8 .. 1.2, a KL to the start; alpha and zeta are not published. The loop that revises
## slides by this judge until it gives 8.0, and goes back where a score falls, is no training.
## Stands in: a few characters for a slide.

import std.divergence (k3)
import std.surrogate (clipped)

param alpha: Real in [0, 1] = 0.6
param zeta: Real in (0, 10] = 0.5
param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 9
param steps: Int in [1, 100000] = 30

data slides from python("tasks.slides:questions", count: 900) {
  item: Text
  kind: Text
  gold: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("0123456789.abcdsx|>"))
policy ref = frozen(actor)

rollout y ~ actor(slides.item) { samples: samples, max_tokens: 5 }

extern fn is_formed(text: Text) -> Real in {0, 1} = python("tasks.slides:is_formed")
extern fn agrees(text: Text, gold: Text) -> Real in {0, 1} = python("tasks.slides:agrees")
extern fn f1(text: Text, gold: Text) -> Real in [0, 1] = python("tasks.slides:f1")
extern fn distance(text: Text, gold: Text) -> Real in [0, 10] = python("tasks.slides:distance")

reward accurate = accuracy(y.text, slides.gold, slides.kind)
reward total = is_formed(y.text) + accurate

let advantage = normalize(total, per: prompt, guard: 1e-4)

## The verdict's point, by the kind of question.
fn accuracy(said: Text, gold: Text, kind: Text) -> Real =
  where(
    text.equal(kind, "comparison"),
    agrees(said, gold),
    where(
      text.equal(kind, "defects"),
      found_enough(f1(said, gold), alpha),
      is_near(distance(said, gold), zeta)
    )
  )

## 1 where F1 lies above the bar.
fn found_enough(score: Real, bar: Real) -> Real = where(score > bar, 1, 0)

## 1 where a score is less than the tolerance away.
fn is_near(error: Real, tolerance: Real) -> Real = where(error < tolerance, 1, 0)

objective judge for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with judge { minibatch: 3 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "7.4 is near 7 by less than a half, 7.6 is not" {
  expect is_near(distance("x|7.4", "7"), 0.5) == 1
  expect is_near(distance("x|7.6", "7"), 0.5) == 0
}

test "of two defects one is found: F1 is a half, enough for a lower bar alone" {
  expect f1("x|ab", "ac") == 0.5
  expect found_enough(f1("x|ab", "ac"), 0.49) == 1
  expect found_enough(f1("x|ab", "ac"), 0.5) == 0
}

test "each kind is graded in its own way" {
  expect accuracy("x|2", "2", "comparison") == 1
  expect accuracy("x|ac", "ac", "defects") == 1
  expect accuracy("x|7.2", "7.4", "scoring") == 1
  expect accuracy("x|7", "7.4", "comparison") == 0
}

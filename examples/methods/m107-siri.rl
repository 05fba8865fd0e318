## SIRI: reinforcement learning under a length limit that shrinks and grows again, cycle after cycle.
## Paper: "SIRI: Scaling Iterative Reinforcement Learning with Interleaved Compression" (2025).
##
## An answer is right only if it is right within the limit of its iteration; what would have been cut off is worth 0 and
## takes no part in the loss. The limit follows a cosine between its bounds: compression, then expansion.
## Everything else is DAPO: ratio in 0.8 .. 1.28, every token counts the same, groups that agree are left out, no KL.
## The paper: bounds 8K and 16K tokens, about three cycles. Here: 2 and 6 tokens, a cycle of 8 iterations.
##
## The cosine of equal steps obeys `c(i+1) = 2 cos(step) c(i) - c(i-1)`; two states carry it from iteration to iteration.
## Answers are always drawn up to the upper bound, since `max_tokens` of a rollout cannot change while training.

import std.surrogate (clipped)

param shortest: Real in [1, inf) = 2
param longest: Real in [1, inf) = 6
## cos(2 pi / T) of a cycle of T = 8 iterations.
param step_cosine: Real in (-1, 1) = 0.7071067811865476
param samples: Int in [2, 64] = 16
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 24

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 6 }

state cosine_now: Real = 1
state cosine_before: Real = 0.7071067811865476
cosine_now <- next_cosine(cosine_now, cosine_before, step_cosine)
cosine_before <- cosine_now

let limit = length_limit(cosine_now, shortest, longest)

reward correct = text.ends_with(y.text, problems.answer) and y.length <= limit

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let informative = std(correct, per: prompt) > 0

## The cosine one step on.
fn next_cosine(now: Real, before: Real, step: Real) -> Real = 2 * step * now - before

## Between the bounds by a cosine of 1 (longest) to -1 (shortest).
fn length_limit(cosine: Real, low: Real, high: Real) -> Real = low + (high - low) * (1 + cosine) / 2

objective siri for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  let counts = informative and position(y) < limit
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28), where: counts)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with siri { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "over a cycle of 8 the limit goes 16, 12, 8, 12, 16" {
  let step = 0.7071067811865476
  let c1 = next_cosine(1, step, step)
  let c2 = next_cosine(c1, 1, step)
  let c3 = next_cosine(c2, c1, step)
  let c4 = next_cosine(c3, c2, step)
  let c5 = next_cosine(c4, c3, step)
  let c6 = next_cosine(c5, c4, step)
  let c7 = next_cosine(c6, c5, step)
  let c8 = next_cosine(c7, c6, step)
  expect length_limit(1, 8, 16) == 16
  expect length_limit(c2, 8, 16) == 12 within 1e-12
  expect length_limit(c4, 8, 16) == 8 within 1e-12
  expect length_limit(c6, 8, 16) == 12 within 1e-12
  expect length_limit(c8, 8, 16) == 16 within 1e-12
}

test "with equal bounds the limit stays" {
  expect length_limit(-0.3, 8, 8) == 8
}

test "an answer of 10 tokens is too long at 8 and not at 12" {
  let length = [10] @ sample
  expect (length <= length_limit(-1, 8, 16)) == [0]
  expect (length <= length_limit(0, 8, 16)) == [1]
}

test "a right answer that is longer than the limit is wrong" {
  let said = ["bbba", "ba"] @ sample
  expect (text.ends_with(said, "a") and text.length(said) <= length_limit(-1, 2, 6)) == [0, 1]
}

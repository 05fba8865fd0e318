## RECAP: several objectives whose weights follow how each loss moves, while old abilities are replayed.
## Paper: "Beyond Reasoning Gains: Mitigating General Capabilities Forgetting in Large Reasoning Models" (2025).
##
## Each objective's last losses are kept. Its convergence is the mean of the newest over the mean of those before, its instability their
## deviation over the sum of both; objectives that stall or shake get more weight, by a softmax whose mean weight stays 1. The
## weights carry no gradient. Replayed data keep a loss of their own among the objectives; there is no KL.
## The paper: temperature 5, windows of a size that is free. Here two objectives, a policy gradient and the likelihood of replayed
## text, with windows of 2 losses, kept in states; a loss is looked at as it stands before the update, the policy gradient's as the
## mean of 1 less the reward, since a centred surrogate is always near 0.

import std.surrogate (clipped)

param temperature: Real in (0, inf) = 5
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}
data replayed from python("tasks.documents:queries", count: 1024) {
  query:    Text
  relevant: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdxyz>"))

response old = replayed.relevant given replayed.query

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)

# the last four losses of each objective, newest first
state task_1: Real = 1
state task_2: Real = 1
state task_3: Real = 1
state task_4: Real = 1
state old_1: Real = 1
state old_2: Real = 1
state old_3: Real = 1
state old_4: Real = 1
task_1 <- 1 - mean(correct)
task_2 <- task_1
task_3 <- task_2
task_4 <- task_3
old_1 <- -mean(logp(actor, old))
old_2 <- old_1
old_3 <- old_2
old_4 <- old_3

let task_stall = stall(task_1, task_2, task_3, task_4)
let old_stall = stall(old_1, old_2, old_3, old_4)
let task_weight = weight_of_two(task_stall, old_stall, temperature)
let old_weight = weight_of_two(old_stall, task_stall, temperature)

## The mean of the newest two over the mean of the two before: 1 where a loss stands still.
fn convergence(a: Real, b: Real, c: Real, d: Real) -> Real = (a + b) / max(c + d, 1e-6)

## The deviation of the newest two, over the sum of both means.
fn instability(a: Real, b: Real, c: Real, d: Real) -> Real =
  abs(a - b) / sqrt(2) / max((a + b + c + d) / 2, 1e-6)

## How much an objective asks for weight.
fn stall(a: Real, b: Real, c: Real, d: Real) -> Real =
  convergence(a, b, c, d) + instability(a, b, c, d)

## The weight of the first of two objectives: twice its share in a softmax, so that the two add up to 2.
fn weight_of_two(own: Real, other: Real, temperature: Real) -> Real =
  2 * sigmoid((own - other) / temperature)

objective recap for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: task_weight * mean(clipped(ratio, advantage, 0.8 .. 1.2)) / 2
  minimize replay: -old_weight * mean(logp(actor, old)) / 2
}

train {
  repeat steps {
    draw prompts rows from problems
    draw prompts rows from replayed
    update actor with recap { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "convergence 1 and 0.5 with instability 0.1 each, at temperature 5" {
  expect weight_of_two(1.1, 0.6, 5) == 1.0499583749 within 1e-9
  expect weight_of_two(0.6, 1.1, 5) == 0.9500416251 within 1e-9
}

test "weights add up to the number of objectives, and even out as the temperature grows" {
  expect weight_of_two(1.3, 0.2, 5) + weight_of_two(0.2, 1.3, 5) == 2 within 1e-12
  expect weight_of_two(1.3, 0.2, 1e9) == 1 within 1e-8
}

test "a loss that stands still has convergence 1 and no instability" {
  expect convergence(0.7, 0.7, 0.7, 0.7) == 1 within 1e-12
  expect instability(0.7, 0.7, 0.7, 0.7) == 0
  # the deviation of 0.4 and 0.6 with n - 1 is 0.1414, the means are 0.5 and 1
  expect convergence(0.4, 0.6, 1, 1) == 0.5 within 1e-12
  expect instability(0.4, 0.6, 1, 1) == 0.0942809042 within 1e-9
}

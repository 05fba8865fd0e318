## Critique-Coder (CRL): reinforcement on programs, with a fifth of the rows asking for a verdict on somebody's program.
## Paper: "Critique-Coder: Enhancing Coder Models by Critique Reinforcement Learning" (2025).
##
## A programming row is paid by its unit tests, a critique row by whether its verdict is the label; one run of GRPO learns from
## both, each answer graded by the kind of its row. Groups that agree and answers that were cut off teach nothing.
## The paper: 80 to 20, 8 samples, ratio in 0.8 .. 1.3, no KL, no entropy bonus, temperature 0.6, top-p 0.95, top-k 20, every
## token counts the same, lr 1e-6, 128 prompts of which 64 make an update batch. Sampled here at temperature 0.6 without
## truncation: of 16 characters little would be left.
## Stands in: a task of one operation for a programming problem.

import std.surrogate (clipped)

param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 10
param steps: Int in [1, 100000] = 30

data rows from python("tasks.programs:mixed", count: 1000, critiques: 0.2) {
  item:  Text
  kind:  Text
  task:  Text target
  label: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("as0123x+-:TF>"))

rollout y ~ actor(rows.item) { samples: samples, max_tokens: 5, temperature: 0.6 }

extern fn passes(text: Text, task: Text) -> Real in {0, 1} = python("tasks.programs:passes") {
  timeout: 5s
}

reward total = by_kind(rows.kind, passes(y.text, rows.task), verdict(y.text, rows.label))

let advantage = scaled(total)
let counts = std(total, per: prompt) > 0 and y.finished

## The unit tests' verdict on a program, or whether a critique's verdict is the label.
fn by_kind(kind: Text, tested: Real, judged: Real) -> Real =
  where(text.equal(kind, "code"), tested, judged)

## Whether a critique ends in the label and does not name the other verdict.
fn verdict(said: Text, label: Text) -> Real =
  where(text.ends_with(said, label) and text.count(said, "T") + text.count(said, "F") == 1, 1, 0)

## GRPO's advantage with the deviation of the population.
fn scaled(x: Real @ sample) -> Real @ sample =
  (x - mean(x, per: prompt)) / (std_population(x, per: prompt) + 1e-6)

objective grpo for actor {
  let ratio = exp(logp(actor, y, temperature: 0.6) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.3), where: counts)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with grpo { minibatch: 5 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "a critique's group T, T, F, F with the label T" {
  expect verdict("xT", "T") == 1
  expect verdict("xF", "T") == 0
  expect verdict("FT", "T") == 0
  expect scaled([1, 1, 0, 0] @ sample) == [1, 1, -1, -1] within 1e-5
}

test "a row of code is graded by its tests alone" {
  expect by_kind("code", passes("x+2", "a2"), verdict("x+2", "")) == 1
  expect by_kind("code", passes("x+3", "a2"), 1) == 0
  expect by_kind("critique", 1, verdict("F", "F")) == 1
}

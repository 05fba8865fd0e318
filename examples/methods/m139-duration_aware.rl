## Duration-aware policy gradients: an action weighs by the time that it takes, so that slow ones are not drowned by fast ones.
## Paper: "Reinforcement Learning for Machine Learning Engineering Agents" (2025).
##
## Where actors send what is done first, an action that takes ten times as long arrives ten times less often. Its gradient is
## multiplied by its time over the mean time of the batch, which makes up for it. A program that fails gets -10 and a tenth for each
## sign of progress that it prints (the prints are put in by a frozen copy of the model); one that submits gets its score instead.
## Half of the prompts start from nothing, half ask to improve a program that works.
## The paper: PPO with a critic, batches of 128, lr 1e-5, 7 signs of progress, a 3B model. gamma and lambda are not published; 1.
## Stands in: letters for programs, with a run time that is computed; prints are read off the letters.

import std.returns (gae)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param samples: Int in [1, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data tasks from python("tasks.experiments:tasks", count: 512) { task: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("nilbts>"))
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("nilbts>"))

rollout y ~ actor(tasks.task) { samples: samples, max_tokens: 6 }

extern fn seconds(text: Text) -> Real in (0, 100] = python("tasks.experiments:seconds")
extern fn prints(text: Text) -> Int in [0, 4] = python("tasks.experiments:prints")
extern fn is_valid(text: Text) -> Real in {0, 1} = python("tasks.experiments:is_valid")
extern fn score(text: Text) -> Real in [-1, 1] = python("tasks.experiments:score")

reward total = instrumented(is_valid(y.text), score(y.text), prints(y.text))

let weight = by_duration(seconds(y.text))
let before = value(v, y)
let raw = gae(at_last(total, y), before, 1.0, 1.0)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

## A valid program's score; else -10 and 0.1 for each sign of progress.
fn instrumented(valid: Real, score: Real, prints: Real) -> Real =
  where(valid > 0, score, 0.1 * prints - 10)

## A time over the mean time of the batch.
fn by_duration(seconds: Real) -> Real = seconds / mean(seconds)

objective duration_aware for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(weight * clipped(ratio, advantage, 0.8 .. 1.2))
}

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with duration_aware {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
    update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "times 10, 1 and 1" {
  expect by_duration([10, 1, 1] @ sample) == [2.5, 0.25, 0.25]
}

test "a slow action that arrives a tenth as often pulls as much as a fast one" {
  # one answer of 10 seconds, ten answers of 1 second, the same advantage
  let seconds = [10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] @ sample
  let ratio = live([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] @ sample)
  let pulls = gradient(mean(by_duration(seconds) * clipped(ratio, 1, 0.8 .. 1.2)), of: ratio)
  expect sum(where(seconds > 1, pulls, 0)) == sum(where(seconds > 1, 0, pulls)) within 1e-12
}

test "with equal times it is PPO" {
  expect by_duration([2, 2, 2] @ sample) == [1, 1, 1]
}

test "three prints without a submission, and a program that works" {
  expect prints("lbtt") == 3
  expect instrumented(is_valid("lbtt"), score("lbtt"), prints("lbtt")) == -9.7 within 1e-12
  expect instrumented(is_valid("lbttts"), score("lbttts"), prints("lbttts")) == 1
}

## CAPO: a critic reads the whole answer once and names its wrong steps, and their tokens lose credit.
## Paper: "CAPO: Towards Enhancing LLM Reasoning through Verifiable Generative Credit Assignment" (2025).
##
## A token's reward is `whole` times the outcome less `process` where it stands in a wrong step: 2, 1, 0 and -1 for right and
## clean, right in a wrong step, wrong and clean, wrong in a wrong step. The critic is asked several times; a step is wrong if
## `votes` of 4 say so (4: their intersection, 2: the majority, 1: the union). Advantages are normalised by prompt.
## The paper: weights 2 and 1, 4 votes, 16 answers, steps at blank lines, PPO's clip. It does not say over what mean and
## deviation are taken; here they are those of the answers' means, so that without the process term it is GRPO.
## Stands in: a function of a step and its place for the critic, `|` for the blank line.

import std.surrogate (clipped)

param whole: Real in [0, 10] = 2
param process: Real in [0, 10] = 1
param votes: Int in {1, 2, 4} = 4
param samples: Int in [2, 64] = 16
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data problems from python("tasks.steps:problems", count: 512) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 5 }

extern fn votes_wrong(step: Text, place: Int, question: Text, vote: Int) -> Int in {0, 1} = python(
  "tasks.steps:votes_wrong"
)

reward correct = text.ends_with(y.text, problems.answer)

let step = split(y.text, at: "|")
let flagged =
  (
    votes_wrong(step, position(step), problems.question, 0)
      + votes_wrong(step, position(step), problems.question, 1)
      + votes_wrong(step, position(step), problems.question, 2)
      + votes_wrong(step, position(step), problems.question, 3)
  )
let paid = token_reward(correct, spread(flagged >= votes, to: y), whole, process)
let advantage = by_answers(paid, 1e-4)

## What a token earns: by the outcome, less where it stands in a wrong step.
fn token_reward(correct: Real, wrong: Bool @ token, whole: Real, process: Real) -> Real @ token =
  whole * correct - process * where(wrong, 1, 0)

## Centred and scaled by the answers' mean rewards: `(x - mean) / (std + guard)`, per prompt.
fn by_answers(x: Real @ token, guard: Real) -> Real @ token = {
  let answers = mean(x, per: sample)
  (x - mean(answers, per: prompt)) / (std(answers, per: prompt) + guard)
}

objective capo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with capo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "a right and a wrong answer, each with its second step flagged" {
  let correct = [1, 0] @ sample
  let flagged = [[0, 4], [0, 4]] @ token
  expect token_reward(correct, flagged >= 4, 2, 1) == [[2, 1], [0, -1]]
}

test "without the process term the advantage is GRPO's" {
  let correct = [1, 0, 0] @ sample
  let flagged = [[0, 4], [4], [0, 0, 4]] @ token
  let advantage = by_answers(token_reward(correct, flagged >= 4, 2, 0), 1e-4)
  expect mean(advantage, per: sample) == normalize(2 * correct, per: prompt, guard: 1e-4)
}

test "what all votes flag the majority flags, and what that flags the union" {
  let flagged = [0, 1, 2, 3, 4] @ token
  expect (flagged >= 4) == [0, 0, 0, 0, 1]
  expect (flagged >= 2) == [0, 0, 1, 1, 1]
  expect (flagged >= 1) == [0, 1, 1, 1, 1]
}

test "the votes of the critic on an answer whose second step names a letter that is not there" {
  let step = split(["ab|c"] @ sample, at: "|")
  expect votes_wrong(step, position(step), "ab>", 0) == [[0, 1]]
  expect votes_wrong(step, position(step), "ab>", 2) == [[0, 0]]
}

## ORBIT: a rubric of its own for every query, without the criteria and the queries from which nothing can be learned.
## Paper: "InfiMed-ORBIT: Aligning LLMs on Open-Ended Complex Tasks via Rubric-Based Incremental Training" (2025).
##
## A judge marks each criterion; the reward is the sum of the points of those that hold, some of them negative, over the sum of the
## positive ones. Several answers of the base policy to each query say what to leave out: criteria that nearly all of them satisfy,
## whose points then also leave the divisor, and queries whose mean score lies outside of a band. GRPO learns from the rest.
## The paper: criteria drafted by a model from similar cases and their criteria; GRPO with a KL. Its thresholds vary: a criterion
## that more than 0.9 satisfy and queries outside of 0.1 .. 0.9 here.
## Stands in: four questions about a text for the judge and for the drafted rubric, the same for every query.

import std.divergence (k3)
import std.surrogate (clipped)

param easy: Real in (0, 1] = 0.9
param lowest: Real in [0, 1] = 0.1
param highest: Real in [0, 1] = 0.9
param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data questions from python("tasks.rubrics:questions", count: 512) { question: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

extern fn satisfies(text: Text, question: Text, criterion: Int) -> Real in {0, 1} = python(
  "tasks.rubrics:satisfies"
)

rollout base ~ ref(questions.question) { samples: 8, max_tokens: 4 }
rollout y ~ actor(questions.question) { samples: samples, max_tokens: 4 }

# points of the criteria that are kept: 5 for the fact, 2 for the first letter, -3 for repeating itself, 1 for saying anything
let fact = kept(satisfies(base.text, questions.question, 1), 5, easy)
let first_letter = kept(satisfies(base.text, questions.question, 2), 2, easy)
let repeats = kept(satisfies(base.text, questions.question, 4), -3, easy)
let says = kept(satisfies(base.text, questions.question, 5), 1, easy)

reward base_score = graded(base.text, questions.question, fact, first_letter, repeats, says)
reward total = graded(y.text, questions.question, fact, first_letter, repeats, says)

let advantage = normalize(total, per: prompt, guard: 1e-4)
let taught = is_within_band(base_score, lowest, highest)

## The points of a criterion, 0 where more than the share `easy` of the base policy's answers satisfy it.
fn kept(satisfied: Real @ sample, points: Real, easy: Real) -> Real @ prompt =
  where(mean(satisfied, per: prompt) > easy, 0, points)

## The points of what holds over all positive points; 0 where none are left.
fn graded(said: Text, question: Text, a: Real, b: Real, c: Real, d: Real) -> Real = {
  let earned =
    a * satisfies(said, question, 1)
    + b * satisfies(said, question, 2)
    + c * satisfies(said, question, 4)
    + d * satisfies(said, question, 5)
  share_of(earned, relu(a) + relu(b) + relu(c) + relu(d))
}

## A part of a whole that may be 0.
fn share_of(earned: Real, whole: Real) -> Real = where(whole > 0, earned / max(whole, 1e-9), 0)

## Whether the mean score of the base policy's answers lies in the band.
fn is_within_band(score: Real @ sample, low: Real, high: Real) -> Bool @ prompt = {
  let middle = mean(score, per: prompt)
  middle >= low and middle <= high
}

objective orbit for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample), where: taught)
    else 0
  minimize kl: beta * (mean(mean(k3(actor, ref, y), per: sample), where: taught) else 0)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with orbit { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "queries whose answers all score 0 or all score 1 are removed" {
  let score = [[0, 0, 0, 0], [1, 1, 1, 1], [0.2, 1, 0, 0.4]] @ sample
  expect where(is_within_band(score, 0.1, 0.9), 1, 0) == [0, 0, 1]
}

test "a criterion that 8 of 8 satisfy is removed, and the divisor shrinks" {
  let always = [1, 1, 1, 1, 1, 1, 1, 1] @ sample
  let sometimes = [1, 0, 1, 0, 0, 0, 0, 1] @ sample
  expect kept(always, 1, 0.9) == [0]
  expect kept(sometimes, 5, 0.9) == [5]
  # the fact and the first letter hold of 5, 2 and 1 points, then of 5 and 2
  expect graded("ca", "cab>", 5, 2, -3, 0) == 1
  expect graded("a", "cab>", 5, 2, -3, 1) == 0.75
  expect graded("a", "cab>", 5, 2, -3, 0) == 0.7142857143 within 1e-9
}

test "points below 0 are taken off and are no part of the divisor" {
  expect graded("caa", "cab>", 5, 2, -3, 0) == 0.5714285714 within 1e-9
}

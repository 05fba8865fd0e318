## ORBIT: a rubric without the criteria and the queries from which nothing can be learned.
## Paper: "InfiMed-ORBIT: Aligning LLMs on Open-Ended Complex Tasks via Rubric-Based Incremental Training" (2025).
##
## A judge marks each criterion; the reward is the sum of the points of those that hold, some of them negative, over the sum of the
## positive ones. Several answers of the base policy to each query say what to leave out: criteria that nearly all of them satisfy,
## whose points then also leave the divisor, and queries whose mean score lies outside of a band. GRPO learns from the rest.
## The paper: criteria drafted by a model for each query, from similar cases and their criteria; GRPO with a KL. Its thresholds vary:
## a criterion that more than 0.9 satisfy and queries outside of 0.1 .. 0.9 here.
## Stands in: one rubric for all queries, whose criteria are left out query by query. The judge is a server that speaks the
## OpenAI-compatible protocol, at `JUDGE_URL`.

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
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

rubric points judged by grader {
  "The answer names the smallest letter"       weight 5
  "The first letter of the question is in it"  weight 2
  "The answer repeats itself"                  penalty 3
  "The answer says anything"                   weight 1
}

rollout base ~ ref(questions.question) { samples: 8, max_tokens: 4 }
rollout y ~ actor(questions.question) { samples: samples, max_tokens: 4 }

let base_verdict = verdicts(points, base.text, questions.question)
let verdict = verdicts(points, y.text, questions.question)
let share = mean(base_verdict, per: prompt, keep: criterion)  # of the answers of the base policy, for each criterion of a query

reward base_score =
  graded(base_verdict, kept(share, weights(points, base.text, questions.question), easy))
reward total = graded(verdict, kept(share, weights(points, y.text, questions.question), easy))

let advantage = normalize(total, per: prompt, guard: 1e-4)
let taught = is_within_band(base_score, lowest, highest)

## The points of a criterion, 0 where more than the share `easy` of the base policy's answers satisfy it.
fn kept(satisfied: Real, points: Real, easy: Real) -> Real = where(satisfied > easy, 0, points)

## The points of what holds over all positive points; 0 where none are left.
fn graded(verdict: Real, points: Real) -> Real @ sample = {
  let whole = sum(spread(relu(points), to: verdict), per: sample)
  where(whole > 0, sum(points * verdict, per: sample) / max(whole, 1e-9), 0)
}

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
  let fact = [1, 0, 1, 0, 0, 0, 0, 1] @ sample
  let says = [1, 1, 1, 1, 1, 1, 1, 1] @ sample
  let marks = each(fact, says)
  let share = mean(marks, per: prompt, keep: member)
  expect sum(share * each(1, 10), per: prompt) == [10.375]
  # 5 points and 1: with both the second answer has 1 of 6; the second criterion left out, 0 of 5
  expect graded(marks, each(5, 1))
    == [1, 0.1666666667, 1, 0.1666666667, 0.1666666667, 0.1666666667, 0.1666666667, 1] within 1e-9
  expect graded(marks, kept(share, each(5, 1), 0.9)) == [1, 0, 1, 0, 0, 0, 0, 1]
}

test "points below 0 are taken off and are no part of the divisor" {
  let verdict = [1, 0, 1] @ criterion
  let points = [5, 2, -3] @ criterion
  expect graded(verdict, points) == [0.2857142857] within 1e-9
}

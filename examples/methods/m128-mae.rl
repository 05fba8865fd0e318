## MAE (Multi-Agent Evolve): one model proposes questions, solves them and judges both, and learns in all three roles.
## Paper: "Multi-Agent Evolve: LLM Self-Improve through Co-evolution" (2025).
##
## The judge scores a question's quality `q` and an answer's `s`, in [0, 1]. The proposer is paid for quality, difficulty
## (1 less the mean score of the answers) and form, in equal parts; a question of quality below 0.7 is not paid for difficulty. The
## solver is paid for score and form, the judge for form alone. Advantages are normalised within each role over the batch, so that
## no role learns from what another earns on average.
## The paper: ratio in 0.8 .. 1.28, dual clip 3, no KL, lr 1e-6.
## Here every question has 4 answers; `?`, `.` and `#` stand for the tags of a question, an answer and a score, `#7` is 0.7.

import std.group (reinforce_plus_plus_advantage)
import std.surrogate (dual_clipped)

param quality_bar: Real in [0, 1] = 0.7
param samples: Int in [2, 64] = 4
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data seeds from python("tasks.seeds:references", count: 256) { reference: Text }

policy actor from tiny(
  layers: 2,
  width: 48,
  heads: 4,
  tokenizer: characters("abcd0123456789?.#<p>PSQA")
)

rollout question ~ actor("P" + seeds.reference + ">") { samples: 2, max_tokens: 4 }
rollout attempt ~ actor("S" + question.text + ">") { samples: samples, max_tokens: 3 }
rollout on_question ~ actor("Q" + question.text + ">") { samples: 1, max_tokens: 3 }
rollout on_attempt ~ actor("A" + question.text + attempt.text + ">") { samples: 1, max_tokens: 3 }

let quality = first(score(on_question.text), per: prompt)
let solved = first(score(on_attempt.text), per: prompt)
let difficulty = 1 - mean(solved, per: prompt)

reward proposed = for_proposer(quality, difficulty, form(question.text, "?"), quality_bar)
reward answered = for_solver(solved, form(attempt.text, "."))
reward judged_question = form(on_question.text, "#")
reward judged_attempt = form(on_attempt.text, "#")

let proposer_advantage = by_role(at_last(proposed, question))
let solver_advantage = by_role(at_last(answered, attempt))
let question_advantage = by_role(at_last(judged_question, on_question))
let attempt_advantage = by_role(at_last(judged_attempt, on_attempt))

## The number in a judge's text over 10, in [0, 1]; 0 where there is none.
fn score(said: Text) -> Real = clip((text.number(said) else 0) / 10, 0 .. 1)

## 1 for one tag, a half for several, 0 for none.
fn form(said: Text, tag: Text) -> Real =
  where(text.count(said, tag) == 1, 1, where(text.count(said, tag) > 1, 0.5, 0))

## A third each for quality, difficulty and form; below the bar quality and form alone; nothing without a question.
fn for_proposer(quality: Real, difficulty: Real, form: Real, bar: Real) -> Real =
  where(form > 0, (quality + where(quality < bar, 0, difficulty) + form) / 3, 0)

## A half each for the score and the form.
fn for_solver(score: Real, form: Real) -> Real = (score + form) / 2

## Normalised over all that a role wrote in the batch.
fn by_role(reward: Real @ token) -> Real @ token = reinforce_plus_plus_advantage(reward, 1.0, 1e-8)

objective evolve for actor {
  let proposer = exp(logp(actor, question) - question.logp)
  let solver = exp(logp(actor, attempt) - attempt.logp)
  let question_judge = exp(logp(actor, on_question) - on_question.logp)
  let attempt_judge = exp(logp(actor, on_attempt) - on_attempt.logp)
  maximize proposer: mean(dual_clipped(proposer, proposer_advantage, 0.8 .. 1.28, 3))
  maximize solver: mean(dual_clipped(solver, solver_advantage, 0.8 .. 1.28, 3))
  maximize question_judge: mean(dual_clipped(question_judge, question_advantage, 0.8 .. 1.28, 3))
  maximize attempt_judge: mean(dual_clipped(attempt_judge, attempt_advantage, 0.8 .. 1.28, 3))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with evolve { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "a good question that is solved a quarter of the time, and a poor one" {
  expect for_proposer(0.9, 1 - 0.25, 1, 0.7) == 0.8833333333 within 1e-9
  expect for_proposer(0.6, 1 - 0.25, 1, 0.7) == 0.5333333333 within 1e-9
  expect for_proposer(0.9, 0.75, form("ab", "?"), 0.7) == 0
}

test "a constant that one role earns more changes nothing" {
  # each answer is paid at its last token
  let reward = [[0, 0.2], [0.9], [0.1]] @ token
  let more = [[0, 0.5], [1.2], [0.4]] @ token
  expect by_role(more) == by_role(reward) within 1e-7
}

test "a score is what the judge writes, a tag counts once" {
  expect score("#7") == 0.7 within 1e-12
  expect score("ab") == 0
  expect form("#7", "#") == 1
  expect form("#7#", "#") == 0.5
}

## RGR-GRPO: rubrics as the reward and as guidance: one answer of a group mends what the best of the others lacks.
## Paper: "Reward and Guidance through Rubrics: Promoting Exploration to Improve Multi-Domain Reasoning" (2025).
##
## Criteria are facts or process, with weights; an answer earns the share of the weights that it satisfies, and 1 where it
## satisfies all facts. Of a group of G one answer is drawn last: where the best of the others fails a criterion, the policy is
## shown that answer and the numbers of what it failed, and refines it; else it is drawn as the others are. The refined answer is
## scored as if it had been drawn from the question alone, with the weight `p / (p_old + gamma)`; the others by plain ratios without
## a clip.
## The paper: 8 answers, no KL, gamma in (0, 1) (0.1 here), lr 1e-6, 96 prompts, temperature 1. Both kinds of last answer are drawn
## here and one of them is used. Stands in: three questions about a text for the judge.

import std.choice (text_of)
import std.surrogate (unclipped)

param gamma: Real in (0, 1) = 0.1
param others_drawn: Int in [2, 64] = 7
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data questions from python("tasks.rubrics:questions", count: 512) { question: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123!<p>"))

extern fn satisfies(text: Text, question: Text, criterion: Int) -> Real in {0, 1} = python(
  "tasks.rubrics:satisfies"
)
extern fn failed(text: Text, question: Text) -> Text = python("tasks.rubrics:failed")

rollout y ~ actor(questions.question) { samples: others_drawn, max_tokens: 4 }
rollout fresh ~ actor(questions.question) { samples: 1, max_tokens: 4 }

reward drawn = graded(y.text, questions.question)
reward drawn_fresh = graded(fresh.text, questions.question)

let best = text_of(y.text, top(drawn, 1, per: prompt), per: prompt) else ""
let lacks = failed(best, questions.question)
let is_refined = text.length(lacks) > 0

rollout refined ~ actor(questions.question + best + "!" + lacks + ">") { samples: 1, max_tokens: 4 }

reward drawn_refined = graded(refined.text, questions.question)

let last = where(is_refined, first(drawn_refined, per: prompt), first(drawn_fresh, per: prompt))
let middle = joined_mean(drawn, last)
let spread_of_group = joined_std(drawn, last) + 1e-4
let advantage = (drawn - middle) / spread_of_group
let last_advantage = (last - middle) / spread_of_group
let before = logp(actor, refined given questions.question)

## The reward of a text by three criteria: a fact of weight 3, process of weights 2 and 1.
fn graded(said: Text, question: Text) -> Real =
  rubric_reward(
    satisfies(said, question, 1),
    satisfies(said, question, 2),
    satisfies(said, question, 3),
    1,
    0,
    0
  )

## The share of weights 3, 2 and 1 that is satisfied, and 1 where every fact is; `a_fact` and so on say which are facts.
fn rubric_reward(a: Real, b: Real, c: Real, a_fact: Real, b_fact: Real, c_fact: Real) -> Real =
  where(a >= a_fact and b >= b_fact and c >= c_fact, 1, (3 * a + 2 * b + c) / 6)

## The mean of a group and one more.
fn joined_mean(x: Real @ sample, last: Real @ prompt) -> Real @ prompt =
  (sum(x, per: prompt) + last) / (count(x, per: prompt) + 1)

## The deviation of a group and one more, with n - 1.
fn joined_std(x: Real @ sample, last: Real @ prompt) -> Real @ prompt = {
  let middle = joined_mean(x, last)
  let squares = sum((x - middle) ^ 2, per: prompt) + (last - middle) ^ 2
  sqrt(squares / count(x, per: prompt))
}

## The weight of a token of a refined answer: its probability over what it was and gamma.
fn refined_ratio(log_p: Real @ token, before: Real @ token, gamma: Real) -> Real @ token =
  exp(log_p) / (exp(before) + gamma)

objective guided for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  let ratio_fresh = exp(logp(actor, fresh) - fresh.logp)
  let ratio_refined = refined_ratio(logp(actor, refined given questions.question), before, gamma)
  let own = sum(unclipped(ratio, advantage), per: sample)
  let one_fresh = sum(unclipped(ratio_fresh, where(is_refined, 0, last_advantage)), per: sample)
  let one_refined = sum(unclipped(ratio_refined, where(is_refined, last_advantage, 0)), per: sample)
  maximize drawn: mean(sum(own, per: prompt)) / (others_drawn + 1)
  maximize last_drawn: mean(one_fresh) / (others_drawn + 1)
  maximize last_refined: mean(one_refined) / (others_drawn + 1)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with guided { minibatch: 4 prompts, optimizer: adamw(lr: 3e-4), clip_gradient: 1.0 }
  }
}

test "weights 3, 2 and 1 of which the first and the last are satisfied" {
  expect rubric_reward(1, 0, 1, 0, 1, 0) == 0.6666666667 within 1e-9
  expect rubric_reward(1, 0, 1, 1, 0, 1) == 1
}

test "the group's statistics are those of all its answers" {
  let all = [0.2, 0.9, 0.4, 1] @ sample
  let of_all = mean(all, per: prompt)
  let deviation = std(all, per: prompt)
  expect joined_mean([0.2, 0.9, 0.4, absent] @ sample, 1) == of_all within 1e-12
  expect joined_std([0.2, 0.9, 0.4, absent] @ sample, 1) == deviation within 1e-12
}

test "where the best satisfies everything nothing is left to be refined" {
  expect text.length(failed("ca", "cab>")) == 0
  expect text.length(failed("b", "cab>")) == 2
  expect graded("ca", "cab>") == 1
  # it lacks the fact and says the first letter
  expect graded("cb", "cab>") == 0.5
}

test "a refined token of a half, that was a half, weighs 0.5 / 0.6" {
  let log_p = live([[-0.6931471805599453]] @ token)
  let ratio = refined_ratio(log_p, [[-0.6931471805599453]] @ token, 0.1)
  expect ratio == [[0.8333333333]] within 1e-9
  expect gradient(sum(ratio), of: log_p) == [[0.8333333333]] within 1e-9
}

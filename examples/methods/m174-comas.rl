## CoMAS: agents propose, criticise and score each other, and each learns from what the others make of it.
## Paper: Xue et al. 2025, "CoMAS: Co-Evolving Multi-Agent Systems via Interaction Rewards".
##
## One agent solves, another one looks for flaws, one more reads both and scores from 1 (a fatal flaw was found) to 3 (the solution is
## sound). Solver and critic share a point by that score; who scores earns nothing, and loses a point for a score that cannot be
## read, which then pays nobody. Each agent has weights of its own and learns from what it wrote itself, by REINFORCE++ under PPO's
## clip, with the KL to its start in the reward.
## The paper: 4 agents, several rounds, KL 0, lr 1e-6, one pass over 2000 problems. Here two agents, one round: each solves and
## scores, and its solution is criticised by the other.

import std.divergence (k1)
import std.group (reinforce_plus_plus_advantage)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 0.001
param prompts: Int in [2, 4096] = 16
param steps: Int in [1, 100000] = 20

data questions from python("tasks.words:questions", count: 512) { question: Text }

policy a from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?!<p>"))
policy b from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?!<p>"))
policy a_start = frozen(a)
policy b_start = frozen(b)

rollout a_solves ~ a(questions.question) { samples: 1, max_tokens: 3 }
rollout b_solves ~ b(questions.question) { samples: 1, max_tokens: 3 }
rollout b_criticises ~ b(questions.question + a_solves.text + "?") { samples: 1, max_tokens: 3 }
rollout a_criticises ~ a(questions.question + b_solves.text + "?") { samples: 1, max_tokens: 3 }
rollout a_scores ~ a(questions.question + a_solves.text + b_criticises.text + "!") {
  samples: 1
  max_tokens: 2
}
rollout b_scores ~ b(questions.question + b_solves.text + a_criticises.text + "!") {
  samples: 1
  max_tokens: 2
}

let of_a = grade(a_scores.text)
let of_b = grade(b_scores.text)
let score_of_a = first(first(of_a, per: prompt), per: prompt)
let score_of_b = first(first(of_b, per: prompt), per: prompt)

reward a_scoring = for_scorer(of_a)
reward b_scoring = for_scorer(of_b)
reward a_solving = for_solver(score_of_a)
reward b_solving = for_solver(score_of_b)
reward a_criticising = for_critic(score_of_b)
reward b_criticising = for_critic(score_of_a)

let a_solving_advantage =
  learned_from(at_last(a_solving, a_solves) - beta * k1(a, a_start, a_solves), score_of_a)
let b_solving_advantage =
  learned_from(at_last(b_solving, b_solves) - beta * k1(b, b_start, b_solves), score_of_b)
let a_criticising_advantage =
  learned_from(
    at_last(a_criticising, a_criticises) - beta * k1(a, a_start, a_criticises),
    score_of_b
  )
let b_criticising_advantage =
  learned_from(
    at_last(b_criticising, b_criticises) - beta * k1(b, b_start, b_criticises),
    score_of_a
  )
let a_scoring_advantage =
  learned_from(at_last(a_scoring, a_scores) - beta * k1(a, a_start, a_scores), 1)
let b_scoring_advantage =
  learned_from(at_last(b_scoring, b_scores) - beta * k1(b, b_start, b_scores), 1)

## The score in a text, 1 to 3; 0 where it is not exactly one of them.
fn grade(said: Text) -> Real =
  where(verify.regex(said, "[123]", match: whole) > 0, text.number(said) else 0, 0)

## What a solution earns and what its critic, by the score: they share one point.
fn for_solver(score: Real) -> Real = (score - 1) / 2
fn for_critic(score: Real) -> Real = (3 - score) / 2

## What who scores earns: nothing for a score, -1 for none.
fn for_scorer(score: Real) -> Real = where(score > 0, 0, -1)

## REINFORCE++ over what was scored; the rest has no advantage.
fn learned_from(reward: Real @ token, score: Real) -> Real @ token =
  reinforce_plus_plus_advantage(where(score > 0, reward, absent), 1.0, 1e-8)

## PPO's surrogate over tokens that have an advantage.
fn surrogate(ratio: Real @ token, advantage: Real @ token) -> Real =
  mean(clipped(ratio, advantage, 0.8 .. 1.2), where: not is_missing(advantage)) else 0

objective for_a for a {
  maximize solving: surrogate(exp(logp(a, a_solves) - a_solves.logp), a_solving_advantage)
  maximize criticising: surrogate(
    exp(logp(a, a_criticises) - a_criticises.logp),
    a_criticising_advantage
  )
  maximize scoring: surrogate(exp(logp(a, a_scores) - a_scores.logp), a_scoring_advantage)
}

objective for_b for b {
  maximize solving: surrogate(exp(logp(b, b_solves) - b_solves.logp), b_solving_advantage)
  maximize criticising: surrogate(
    exp(logp(b, b_criticises) - b_criticises.logp),
    b_criticising_advantage
  )
  maximize scoring: surrogate(exp(logp(b, b_scores) - b_scores.logp), b_scoring_advantage)
}

train {
  repeat steps {
    draw prompts prompts
    update a with for_a { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    update b with for_b { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "scores 1, 2 and 3 divide a point between solver and critic" {
  let score = grade(["1", "2", "3"] @ sample)
  expect for_solver(score) == [0, 0.5, 1]
  expect for_critic(score) == [1, 0.5, 0]
  expect for_scorer(score) == [0, 0, 0]
}

test "a score that cannot be read costs who gave it a point and is learned from by nobody else" {
  let score = grade(["2", "a", "12", "3"] @ sample)
  expect for_scorer(score) == [0, -1, -1, 0]
  # rewards of a half and of 1 are whitened; their deviation is 0.3536
  let advantage = learned_from([[0.5], [0], [0], [1]] @ token, score)
  expect advantage == [[-0.7071067812], [absent], [absent], [0.7071067812]] within 1e-6
  let ratio = live([[1], [1], [1], [1]] @ token)
  expect gradient(surrogate(ratio, advantage), of: ratio)
    == [[-0.3535533906], [0], [0], [0.3535533906]] within 1e-6
}

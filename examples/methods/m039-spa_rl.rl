## SPA-RL: the outcome of a trajectory is shared out among its turns by an estimator of progress.
## Paper: Wang et al. 2025, "SPA-RL: Reinforcing LLM Agents via Stepwise Progress Attribution".
##
## A scalar head reads each turn to its last token; the sum over a trajectory is fitted to its final reward, with no label for a
## turn. What a turn contributes, and half a point if its action could be executed, is its reward, at its last token; PPO with a
## critic goes over the turns. The policy clones behaviour first, and explores to fit the estimator.
## The paper: weights 1 and 0.5, discount 1, lambda 0.95, ratio in 0.8 .. 1.2, a KL to the cloned policy. (The authors' data script
## takes the reward less the other trajectories' mean for the estimator, and weights by the remaining steps.)
## Here two turns, each a rollout of its own; the advantage is of turns, every token of a turn has it.

import std.divergence (k1)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)
import std.value (value_loss)

param progress_weight: Real in [0, 10] = 1
param grounding_weight: Real in [0, 10] = 0.5
param lambda: Real in [0, 1] = 0.95
param beta: Real in [0, 1] = 0.01
param samples: Int in [1, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data questions from python("tasks.lookup:questions", count: 512) {
  question: Text
  answer:   Text target
  call:     Text
}

# a turn may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))
scorer progress from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))

response shown = questions.call given questions.question

extern fn look_up(text: Text) -> Text = python("tasks.lookup:look_up")
extern fn calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:calls")
extern fn answers(text: Text) -> Int in [0, inf) = python("tasks.lookup:answers")
extern fn failed_calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:failed_calls")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")

rollout a ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout b ~ actor(a.prompt + a.text + look_up(a.text)) { samples: 1, max_tokens: 3 }

reward outcome = is_right(b.text, questions.answer)
reward grounded_a = where(calls(a.text) > failed_calls(a.text), 1, 0)
reward grounded_b = where(answers(b.text) > 0, 1, 0)

let divergence_a = sum(k1(actor, ref, a), per: sample)
let divergence_b = sum(k1(actor, ref, b), per: sample)
let earned_a =
  turn_reward(score(progress, a), grounded_a, progress_weight, grounding_weight)
  - beta * divergence_a
let earned_b =
  turn_reward(score(progress, b), grounded_b, progress_weight, grounding_weight)
  - beta * divergence_b

let before_a = first(value(v, a), per: sample)
let before_b = first(value(v, b), per: sample)
let advantage_b = earned_b - before_b
let advantage_a =
  turn_advantage(
    earned_a,
    before_a,
    first(before_b, per: prompt),
    first(advantage_b, per: prompt),
    lambda
  )

## What a turn contributed, and whether its action could be executed, by their weights.
fn turn_reward(
  contribution: Real,
  grounded: Real,
  first_weight: Real,
  second_weight: Real
) -> Real = first_weight * contribution + second_weight * grounded

## The squared distance of what the turns contributed from the outcome.
fn attribution_loss(first: Real, second: Real, third: Real, outcome: Real) -> Real =
  (first + second + third - outcome) ^ 2

## Generalised advantage over turns, with discount 1.
fn turn_advantage(reward: Real, here: Real, there: Real, later: Real, lambda: Real) -> Real =
  reward + there - here + lambda * later

objective cloning for actor {
  minimize nll: nll_token_mean(actor, shown)
}
objective attribution for progress {
  let first_turn = spread(score(progress, a), to: outcome)
  minimize loss: mean(attribution_loss(first_turn, score(progress, b), 0, outcome))
}
objective ppo for actor {
  maximize first_turn: mean(clipped(exp(logp(actor, a) - a.logp), advantage_a, 0.8 .. 1.2))
  maximize second_turn: mean(clipped(exp(logp(actor, b) - b.logp), advantage_b, 0.8 .. 1.2))
}
objective values for v {
  minimize first_turn: mean(value_loss(first(value(v, a), per: sample), advantage_a + before_a))
  minimize second_turn: mean(value_loss(first(value(v, b), per: sample), advantage_b + before_b))
}

train {
  stage cloning {
    repeat warm {
      draw 32 rows
      update actor with cloning { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage attribution {
    repeat warm {
      draw prompts prompts
      update progress with attribution { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage ppo {
    repeat steps {
      draw prompts prompts
      update actor with ppo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "contributions 0.1, 0.2 and 0.3 of an outcome of 1 are 0.16 away" {
  expect attribution_loss(0.1, 0.2, 0.3, 1) == 0.16 within 1e-12
}

test "with actions that could be executed in the first and the last turn" {
  let contribution = [0.1, 0.2, 0.3] @ sample
  let grounded = [1, 0, 1] @ sample
  expect turn_reward(contribution, grounded, 1, 0.5) == [0.6, 0.2, 0.8] within 1e-12
}

test "an exact estimator without grounding gives turn rewards that add up to the outcome" {
  let contribution = [0.2, 0.5, 0.3] @ sample
  expect sum(turn_reward(contribution, [1, 1, 0] @ sample, 1, 0)) == 1 within 1e-12
}

## eva: a creator makes new prompts out of those from which most is to be learned, and a solver is trained on them.
## Paper: Ye et al. 2024, "Scalable Reinforcement Post-Training Beyond Static Human Prompts: Evolving Alignment via Asymmetric
## Self-Play".
##
## How much a prompt can teach is how far apart the policy's answers to it lie by a reward model, best against worst. Prompts are
## taken in proportion to that and rewritten, in depth and in breadth; the new ones are mixed with prompts drawn evenly. The solver
## keeps the loss of the base method on best and worst answers, here DPO.
## The paper: the reward of best less worst by default, best less mean and best less second as variants; 6 answers; several
## rewrites; SPPO, SimPO, ORPO and RLOO as base methods too; a reward model of 8B.
## Stands in: a function of question and answer for the reward model, two functions of a word for the rewriting model.

import std.pairing (is_apart, of_best, of_worst)
import std.preference (dpo, implicit_reward)

param beta: Real in (0, 10] = 0.1
param samples: Int in [2, 64] = 6
param prompts: Int in [1, 4096] = 8
param steps: Int in [1, 100000] = 20

data questions from python("tasks.words:questions", count: 512) { question: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))
policy last = frozen(actor)

extern fn worth(question: Text, text: Text) -> Real in [0, 1] = python("tasks.words:worth")
extern fn deeper(question: Text) -> Text = python("tasks.words:deeper")
extern fn broader(question: Text) -> Text = python("tasks.words:broader")

let deep = deeper(questions.question)
let broad = broader(questions.question)

rollout y ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout z ~ actor(deep) { samples: samples, max_tokens: 3 }
rollout w ~ actor(broad) { samples: samples, max_tokens: 3 }

reward plain = worth(questions.question, y.text)
reward in_depth = worth(deep, z.text)
reward in_breadth = worth(broad, w.text)

let taken = times_drawn(regret(plain))

## What is to be learned from a prompt: the best answer's reward less the worst one's.
fn regret(reward: Real @ sample) -> Real @ prompt =
  max(reward, per: prompt) - min(reward, per: prompt)

## A variant: the best less the mean.
fn regret_to_mean(reward: Real @ sample) -> Real @ prompt =
  max(reward, per: prompt) - mean(reward, per: prompt)

## A variant: the best less the second.
fn regret_to_second(reward: Real @ sample) -> Real @ prompt =
  max(reward, per: prompt) - max(where(top(reward, 1, per: prompt), absent, reward), per: prompt)

## How often a prompt is expected to be drawn, over drawing evenly; 0 for all where nothing is to be learned.
fn times_drawn(info: Real @ prompt) -> Real @ prompt =
  where(sum(info) > 0, info / max(mean(info), 1e-9), 0)

## DPO on the best and the worst answer to each prompt; 0 where they are worth the same.
fn best_against_worst(gain: Real @ sample, reward: Real @ sample, beta: Real) -> Real @ prompt = {
  let margin = of_best(gain, reward, per: prompt) - of_worst(gain, reward, per: prompt)
  where(is_apart(reward, 0, per: prompt), dpo(margin, beta), 0)
}

objective solver for actor {
  minimize uniform: mean(best_against_worst(implicit_reward(actor, last, y), plain, beta))
  minimize in_depth: mean(
    taken * best_against_worst(implicit_reward(actor, last, z), in_depth, beta)
  )
  minimize in_breadth: mean(
    taken * best_against_worst(implicit_reward(actor, last, w), in_breadth, beta)
  )
}

train {
  repeat steps {
    reset last to actor
    draw prompts prompts
    update actor with solver { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "rewards 0.1, 0.4 and 0.9: what three measures say" {
  let reward = [0.1, 0.4, 0.9] @ sample
  expect regret(reward) == [0.8] within 1e-12
  expect regret_to_mean(reward) == [0.4333333333] within 1e-9
  expect regret_to_second(reward) == [0.5] within 1e-12
}

test "a prompt whose answers are all worth the same is never drawn" {
  let reward = [[0.4, 0.4, 0.4], [0.1, 0.4, 0.9], [0.2, 0.4, 0.6]] @ sample
  expect times_drawn(regret(reward)) == [0, 2, 1] within 1e-9
}

test "the loss of a prompt is DPO on its best and its worst" {
  let reward = [[0.4, 0.4], [0.1, 0.9]] @ sample
  let gain = live([[0.3, -0.2], [0.5, 1.5]] @ sample)
  # -log sigmoid(0.1 * (1.5 - 0.5))
  expect best_against_worst(gain, reward, 0.1) == [0, 0.6443966601] within 1e-9
}

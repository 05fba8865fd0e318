## TP-GRPO: thoughts of an answer that did not help are told apart from those that did, in right answers and in wrong ones.
## Paper: "Good Learners Think Their Thinking: Generative PRM Makes Large Reasoning Model More Efficient Math Learner" (2025).
##
## A generative process reward model labels thoughts without solving the problem: in a right answer those that led astray, in a
## wrong one those that do not belong to the wrong result. The credit of a token is the outcome plus what thoughts that end at or
## after it are paid, arranged so that in a right answer good thoughts keep the outcome and bad ones lose `alpha` times the group's
## accuracy, and in a wrong answer matching thoughts keep the (negative) outcome and the others get 0.
## The paper: GRPO's outcome over 8 answers, clip, KL, lr 1e-6; answers for 50 steps are drawn at once. The thought that holds
## the final answer carries no process reward. (A paper of 2026 on flow models uses the name too.)
## Stands in: a rule for the labels, thoughts end in `|`.

import std.divergence (k3)
import std.returns (returns)
import std.surrogate (clipped)

param alpha: Real in [0, 10] = 1
param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data problems from python("tasks.steps:problems", count: 512) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 6 }

extern fn is_sound(text: Text, token: Int, question: Text) -> Bool = python("tasks.steps:is_sound")
extern fn ends_line(text: Text, token: Int) -> Bool = python("tasks.steps:ends_line")

reward correct = text.ends_with(y.text, problems.answer)

let outcome = normalize(correct, per: prompt, guard: 1e-4)
let accuracy = mean(correct, per: prompt)
let sound = is_sound(y.text, position(y), problems.question)
let ends = ends_line(y.text, position(y))
let in_last = sum(where(ends, 1, 0), per: sample) == cumsum(where(ends, 1, 0)) - where(ends, 1, 0)
let wanted = thought_credit(correct, outcome, sound or in_last, alpha * accuracy)
let advantage = outcome + returns(process_reward(wanted - outcome, ends), 1)

## What a token should be credited with, by its thought: the outcome, less `loss` for a bad thought of a right answer; of
## a wrong one the outcome where the thought matches it, and 0 where it does not.
fn thought_credit(correct: Real, outcome: Real, good: Bool @ token, loss: Real) -> Real @ token =
  where(correct > 0, where(good, outcome, outcome - loss), where(good, outcome, 0))

## Rewards at the ends of thoughts that add up, from the end, to what is wanted within each.
fn process_reward(wanted: Real @ token, ends: Bool @ token) -> Real @ token =
  where(ends, wanted - next(wanted, fill: 0), 0)

objective tp_grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with tp_grpo {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "a right answer of outcome 1 with thoughts good, bad, good and final" {
  let good = [1, 0, 1] @ token
  let wanted = thought_credit(1, 1, good > 0, 1 * 0.5)
  expect wanted == [1, 0.5, 1]
  expect 1 + returns(process_reward(wanted - 1, good >= 0), 1) == wanted
}

test "a wrong answer of outcome -1 with thoughts matching, not matching, and the answer" {
  let good = [1, 0, 1] @ token
  let wanted = thought_credit(0, -1, good > 0, 1 * 0.5)
  expect wanted == [-1, 0, -1]
  expect -1 + returns(process_reward(wanted - -1, good >= 0), 1) == wanted
}

test "where no answer of the group is right, bad thoughts of right answers cost nothing" {
  let good = [1, 0, 1] @ token
  expect thought_credit(1, 1, good > 0, 1 * 0) == [1, 1, 1]
}

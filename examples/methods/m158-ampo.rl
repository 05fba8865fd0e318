## AMPO: where a policy finds no answer itself, the traces of those teachers join in that it understands best.
## Paper: Yuan et al. 2025, "More Than One Teacher: Adaptive Multi-Guidance Policy Optimization for Diverse Exploration".
##
## Where none of the policy's own answers is right, up to `most` of them are replaced by teachers' traces, with a reward of 1. Which
## teachers is decided by how much their reasoning raises the policy's own probability of the answer's tokens. Rewards are centred
## over the mixed group. The policy's tokens go through a dual clip, the teachers' through `p / (p + 0.1)`, p being the live
## probability and the teacher's own taken as 1. Sums over tokens are divided by a constant. With a right answer it is Dr. GRPO.
## The paper: 8 answers, 2 of 4 teachers, ratio in 0.8 .. 1.2, dual clip 10, 0.1 for the form, no KL, entropy 1e-3, lr 1e-6,
## 128 prompts. Here the constant length is 6, and of equal teachers the earlier one is taken.

import std.aggregate (constant_length)
import std.surrogate (dual_clipped, shaped)

param most: Int in [0, 4] = 2
param teacher_reward: Real in [1, 2] = 1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data problems from python("tasks.teachers:problems", count: 512) {
  question: Text
  answer:   Text
  first:    Text
  second:   Text
  third:    Text
  fourth:   Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

response bare = problems.answer given problems.question
response after_first = problems.answer given problems.question + problems.first
response after_second = problems.answer given problems.question + problems.second
response after_third = problems.answer given problems.question + problems.third
response after_fourth = problems.answer given problems.question + problems.fourth
response first = problems.first + problems.answer given problems.question
response second = problems.second + problems.answer given problems.question
response third = problems.third + problems.answer given problems.question
response fourth = problems.fourth + problems.answer given problems.question

reward correct = text.ends_with(y.text, problems.answer)
reward total = correct + 0.1 * verify.regex(y.text, "[abcd]+", match: whole)

let unsolved = max(correct, per: prompt) == 0
let kept = not (unsolved and position(total) < most)
let guess = mean(exp(logp(actor, bare)), per: sample)
let gain_first = comprehension(logp(actor, after_first), guess)
let gain_second = comprehension(logp(actor, after_second), guess)
let gain_third = comprehension(logp(actor, after_third), guess)
let gain_fourth = comprehension(logp(actor, after_fourth), guess)
let takes_first = unsolved and ahead(gain_first, gain_second, gain_third, gain_fourth, 0) < most
let takes_second = unsolved and ahead(gain_second, gain_first, gain_third, gain_fourth, 1) < most
let takes_third = unsolved and ahead(gain_third, gain_first, gain_second, gain_fourth, 2) < most
let takes_fourth = unsolved and ahead(gain_fourth, gain_first, gain_second, gain_third, 3) < most

let baseline = mixed_mean(total, kept, teacher_reward)
let advantage = total - baseline
let teacher_advantage = teacher_reward - baseline

## How much a teacher's reasoning raises the mean probability of the answer's tokens; never below 0.
fn comprehension(log_p: Real @ token, guess: Real) -> Real =
  max(0, mean(exp(log_p), per: sample) - guess)

## How many of three others come before a teacher: those with more, and of those with as much the first `earlier` ones.
fn ahead(own: Real, a: Real, b: Real, c: Real, earlier: Int) -> Real =
  comes_first(a, own, earlier >= 1)
  + comes_first(b, own, earlier >= 2)
  + comes_first(c, own, earlier >= 3)

## Whether another comes before: it has more, or as much and stands earlier.
fn comes_first(other: Real, own: Real, is_earlier: Bool) -> Real =
  where(other > own or (other == own and is_earlier), 1, 0)

## The mean reward of a group in which teachers' traces stand for those that are not kept.
fn mixed_mean(reward: Real @ sample, kept: Bool @ sample, teacher: Real) -> Real @ prompt =
  mean(where(kept, reward, teacher), per: prompt)

## The sum over the tokens of a teacher's trace, by the constant length, where the trace is taken.
fn guided(log_p: Real @ token, advantage: Real, taken: Bool, length: Real) -> Real =
  where(taken, sum(shaped(exp(log_p), advantage, 0.1), per: sample) / length, 0)

objective ampo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  let own = where(kept, dual_clipped(ratio, advantage, 0.8 .. 1.2, 10), 0)
  let taught =
    guided(logp(actor, first), teacher_advantage, takes_first, 6)
    + guided(logp(actor, second), teacher_advantage, takes_second, 6)
    + guided(logp(actor, third), teacher_advantage, takes_third, 6)
    + guided(logp(actor, fourth), teacher_advantage, takes_fourth, 6)
  maximize own: constant_length(own, 6)
  maximize taught: mean(taught) / samples
  maximize entropy: 0.001 * mean(entropy(actor, y))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with ampo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "of gains 0.3, 0.1, 0.6 and 0 the third teacher and the first are taken" {
  expect ahead(0.3, 0.1, 0.6, 0, 0) == 1
  expect ahead(0.1, 0.3, 0.6, 0, 1) == 2
  expect ahead(0.6, 0.3, 0.1, 0, 2) == 0
  expect ahead(0, 0.3, 0.1, 0.6, 3) == 3
}

test "equal teachers come in their order" {
  expect ahead(0, 0, 0, 0, 0) == 0
  expect ahead(0, 0, 0, 0, 1) == 1
  expect ahead(0, 0, 0, 0, 3) == 3
}

test "a teacher's token of probability 0.1 is worth a half and has the slope 2.5" {
  let p = live([[0.1]] @ token)
  expect shaped(p, 1, 0.1) == [[0.5]] within 1e-12
  expect gradient(sum(shaped(p, 1, 0.1)), of: p) == [[2.5]] within 1e-12
}

test "two teachers among eight answers centre the group at a quarter" {
  let reward = [0, 0, 0, 0, 0, 0, 0, 0] @ sample
  let kept = [0, 0, 1, 1, 1, 1, 1, 1] @ sample
  expect mixed_mean(reward, kept > 0, 1) == 0.25
}

test "with a right answer nothing of a teacher's is left" {
  let log_p = live([[-1, -2]] @ token)
  let unsolved = [0] @ prompt
  expect gradient(sum(guided(log_p, 0.75, unsolved > 0, 6)), of: log_p) == [[0, 0]]
}

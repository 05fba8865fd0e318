## GHPO: where every answer is wrong, the beginning of the solution is put into the prompt, a quarter more each time.
## Paper: Liu et al. 2025, "GHPO: Adaptive Guidance for Stable and Efficient LLM Reinforcement Learning".
##
## A group of which no answer is right is thrown away and drawn again with the first 25 % of the reference solution in the prompt,
## then 50 %, then 75 %. GRPO learns from the last group that was drawn; the hint is prompt, and no loss is taken on it.
## The paper: 8 answers, 1 for the answer and 0.5 for the form, no KL, lr 1e-6.
## All four groups are drawn for every prompt here and one of them is used, so that nothing is drawn again: the update is the
## paper's, the sampling is up to four times as much. Characters of the hint are rounded down.

import std.surrogate (clipped)

param format_weight: Real in [0, 1] = 0.5
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data problems from python("tasks.hints:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdef>"))

rollout plain ~ actor(problems.question) { samples: samples, max_tokens: 4 }
rollout quarter ~ actor(problems.question + text.prefix(problems.solution, 0.25)) {
  samples: samples
  max_tokens: 4
}
rollout half ~ actor(problems.question + text.prefix(problems.solution, 0.5)) {
  samples: samples
  max_tokens: 4
}
rollout most ~ actor(problems.question + text.prefix(problems.solution, 0.75)) {
  samples: samples
  max_tokens: 4
}

reward right_plain = text.ends_with(plain.text, problems.answer)
reward right_quarter = text.ends_with(quarter.text, problems.answer)
reward right_half = text.ends_with(half.text, problems.answer)
reward right_most = text.ends_with(most.text, problems.answer)

reward total_plain =
  with_format(right_plain, verify.regex(plain.text, "[a-f]+", match: whole), format_weight)
reward total_quarter =
  with_format(right_quarter, verify.regex(quarter.text, "[a-f]+", match: whole), format_weight)
reward total_half =
  with_format(right_half, verify.regex(half.text, "[a-f]+", match: whole), format_weight)
reward total_most =
  with_format(right_most, verify.regex(most.text, "[a-f]+", match: whole), format_weight)

let solved_plain = max(right_plain, per: prompt)
let solved_quarter = max(right_quarter, per: prompt)
let solved_half = max(right_half, per: prompt)

let hint = hint_needed(solved_plain, solved_quarter, solved_half)

let advantage_plain = normalize(total_plain, per: prompt, guard: 1e-4)
let advantage_quarter = normalize(total_quarter, per: prompt, guard: 1e-4)
let advantage_half = normalize(total_half, per: prompt, guard: 1e-4)
let advantage_most = normalize(total_most, per: prompt, guard: 1e-4)

## The outcome, and a share for the form.
fn with_format(correct: Real, format: Real, weight: Real) -> Real = correct + weight * format

## How many quarters of the solution are shown: 0 where the plain group has a right answer, 3 where nothing less helped.
fn hint_needed(plain: Real, quarter: Real, half: Real) -> Real =
  where(plain > 0, 0, where(quarter > 0, 1, where(half > 0, 2, 3)))

## The surrogate of an answer if its group is the one that is used, else 0.
fn used(
  ratio: Real @ token,
  advantage: Real @ sample,
  hint: Real @ prompt,
  own: Real
) -> Real @ sample = where(hint == own, mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample), 0)

objective ghpo for actor {
  let ratio_plain = exp(logp(actor, plain) - plain.logp)
  let ratio_quarter = exp(logp(actor, quarter) - quarter.logp)
  let ratio_half = exp(logp(actor, half) - half.logp)
  let ratio_most = exp(logp(actor, most) - most.logp)
  maximize plain: mean(used(ratio_plain, advantage_plain, hint, 0))
  maximize quarter: mean(used(ratio_quarter, advantage_quarter, hint, 1))
  maximize half: mean(used(ratio_half, advantage_half, hint, 2))
  maximize most: mean(used(ratio_most, advantage_most, hint, 3))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with ghpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "the hint grows by quarters until a group has a right answer" {
  expect text.length(text.prefix("abcdefgh", 0.25)) == 2
  expect hint_needed(1, 0, 0) == 0
  expect hint_needed(0, 1, 1) == 1
  expect hint_needed(0, 0, 1) == 2
  expect hint_needed(0, 0, 0) == 3
}

test "a group with one success is never touched" {
  # the first prompt has a right answer without a hint, the second none until a quarter is shown
  let plain = [[0, 1], [0, 0]] @ sample
  let quarter = [[1, 1], [0, 1]] @ sample
  let hint = hint_needed(max(plain, per: prompt), max(quarter, per: prompt), [0, 0] @ prompt)
  let ratio = live([[[1], [1]], [[1], [1]]] @ token)
  let total =
    mean(used(ratio, normalize(plain, per: prompt, guard: 0), hint, 0))
    + mean(used(ratio, normalize(quarter, per: prompt, guard: 0), hint, 1))
  expect hint == [0, 1]
  # deviations of 0.7071 from a mean of 1/2: advantages of 0.7071, over 4 answers
  expect gradient(total, of: ratio)
    == [[[-0.1767766953], [0.1767766953]], [[-0.1767766953], [0.1767766953]]] within 1e-9
}

test "where the last group still fails there is no gradient" {
  let wrong = [0, 0] @ sample
  let ratio = live([[1.1], [0.9]] @ token)
  let advantage = normalize(wrong, per: prompt, guard: 1e-4)
  expect gradient(mean(used(ratio, advantage, [3] @ prompt, 3)), of: ratio) == [[0], [0]]
}

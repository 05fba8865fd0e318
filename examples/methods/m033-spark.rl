## SPARK: what verifiers said of the policy's answers teaches the same policy to judge and to correct itself.
## Paper: Liu et al. 2025, "SPARK: Synergistic Policy And Reward Co-Evolving Framework".
##
## GRPO on verified answers first. Then the same answers become tasks whose labels are known: is this answer right (from groups that
## agree, and from 30 % of the others), which of a right and a wrong answer is right (the rest, in random order), and, with a wrong
## answer in the prompt, solve it again. A second update of GRPO learns from those by rules. No reward model is kept apart.
## The paper: 8 answers to 64 prompts, k3 with 1e-3, lr 5e-7; at most 32 tasks of judging and 32 of reflection in a step, half of
## the latter with the final answer alone. Here there is one task of each kind for each prompt, with the whole answer.

import std.choice (is_first, text_of, text_where)
import std.divergence (k3)
import std.surrogate (clipped)

param pointwise_share: Real in [0, 1] = 0.3
param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 15

data questions from python("tasks.words:questions", count: 512) {
  question: Text
  chance:   Real
  coin:     Real
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd?|!yn12<p>"))
policy ref = frozen(actor)

extern fn is_right(question: Text, text: Text) -> Real in {0, 1} = python("tasks.words:is_right")

rollout y ~ actor(questions.question) { samples: samples, max_tokens: 3 }

reward correct = is_right(questions.question, y.text)

let right = text_of(y.text, is_first(correct, per: prompt), per: prompt) else ""
let wrong = text_of(y.text, is_first(1 - correct, per: prompt), per: prompt) else ""
let shown = text_of(y.text, position(correct) == 0, per: prompt) else ""
let pairwise = is_pairwise(correct, questions.chance, pointwise_share)
let first_is_right = questions.coin < 0.5
let label = where(pairwise, first_is_right, first(correct, per: prompt) > 0)
let pair =
  text_where(first_is_right, right + "|" + wrong)
  + text_where(not first_is_right, wrong + "|" + right)

rollout verdict ~ actor(
  questions.question + text_where(not pairwise, shown + "?") + text_where(pairwise, pair + "?")
) { samples: samples, max_tokens: 2 }
rollout again ~ actor(questions.question + wrong + "!") { samples: samples, max_tokens: 3 }

reward judged = by_label(says_yes(verdict.text, pairwise), says_no(verdict.text, pairwise), label)
reward corrected = is_right(questions.question, again.text)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let judging_advantage = normalize(judged, per: prompt, guard: 1e-4)
let correcting_advantage = normalize(corrected, per: prompt, guard: 1e-4)
let has_wrong = min(correct, per: prompt) == 0

## Whether a group becomes a comparison: it has right and wrong answers, and chance does not make it a single question.
fn is_pairwise(correct: Real @ sample, chance: Real, share: Real) -> Bool @ prompt =
  max(correct, per: prompt) > min(correct, per: prompt) and chance >= share

## Whether a verdict is that the answer, or the first of two, is right; and whether it is the opposite.
fn says_yes(said: Text, pairwise: Bool) -> Real =
  where(pairwise, verify.equal(said, "1"), verify.equal(said, "y"))
fn says_no(said: Text, pairwise: Bool) -> Real =
  where(pairwise, verify.equal(said, "2"), verify.equal(said, "n"))

## 1 where the verdict is that of the label, 0 for the other one and for none.
fn by_label(yes: Real, no: Real, label: Bool) -> Real = where(label, yes, no)

objective answers for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

objective tasks for actor {
  let ratio_of_verdict = exp(logp(actor, verdict) - verdict.logp)
  let ratio_of_again = exp(logp(actor, again) - again.logp)
  maximize judging: mean(
    mean(clipped(ratio_of_verdict, judging_advantage, 0.8 .. 1.2), per: sample)
  )
  maximize correcting: mean(
    mean(clipped(ratio_of_again, correcting_advantage, 0.8 .. 1.2), per: sample),
    where: has_wrong
  )
    else 0
  minimize kl: beta * mean(mean(k3(actor, ref, verdict), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with answers {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
    update actor with tasks { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "a group of eight right answers asks of one alone, a mixed group compares 7 times of 10" {
  let correct =
    [[1, 1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 1, 1, 1, 1]] @ sample
  expect where(is_pairwise(correct, [0.9, 0.9, 0.2] @ prompt, 0.3), 1, 0) == [0, 1, 0]
}

test "who swaps the two answers swaps the label, and the reward stays" {
  # verdicts 1, 2 and none, with the right answer first and then second
  let said = ["1", "2", "a"] @ sample
  let swapped = ["2", "1", "a"] @ sample
  let is_pair = [1] @ prompt
  let there = [1] @ prompt
  let reward = by_label(says_yes(said, is_pair > 0), says_no(said, is_pair > 0), there > 0)
  expect reward == [1, 0, 0]
  expect by_label(says_yes(swapped, is_pair > 0), says_no(swapped, is_pair > 0), there < 0) == reward
}

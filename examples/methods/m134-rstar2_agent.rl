## rStar2-Agent (GRPO-RoC): twice as many trajectories as needed, and among the right ones those that used their tools cleanly.
## Paper: Shang et al. 2025, "rStar2-Agent: Agentic Reasoning Technical Report".
##
## Of 32 trajectories 16 are trained on. Right and wrong ones keep their proportion, at least two of each where there are; wrong
## ones are kept as they come, right ones by how few tool errors and format faults they have (the paper draws with probability
## inverse to them, the code takes the best). The reward is the answer alone. Groups that agree are dropped, advantages are taken
## over those that are kept; ratio in 0.8 .. 1.28, no KL, no entropy bonus.
## The paper: lr 1e-6, stages of 8K, 12K and 12K tokens on harder questions after a start that does not reason.
## Here a call of a tool and an answer, each a rollout of its own. Stands in: a lookup of facts for a Python interpreter.

import std.surrogate (clipped)
import std.supervised (nll_token_mean)

param samples: Int in [4, 64] = 32
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data questions from python("tasks.lookup:questions", count: 512) {
  question: Text
  answer:   Text target
  call:     Text
}

# an action may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))

response shown = questions.call given questions.question

extern fn look_up(text: Text) -> Text = python("tasks.lookup:look_up")
extern fn calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:calls")
extern fn failed_calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:failed_calls")
extern fn answers(text: Text) -> Int in [0, inf) = python("tasks.lookup:answers")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")

rollout a ~ actor(questions.question) { samples: samples, max_tokens: 4 }
rollout b ~ actor(a.prompt + a.text + look_up(a.text)) { samples: 1, max_tokens: 4 }

reward success = is_right(b.text, questions.answer)

let right = first(success, per: prompt)
let faults = first(penalty(calls(a.text), failed_calls(a.text), answers(b.text), 2), per: prompt)
let kept = resampled(right, faults)
let informative = max(right, per: prompt) > min(right, per: prompt)
let advantage = normalize(where(kept, right, absent), per: prompt, guard: 1e-4)
let trained = kept and informative

## The share of failed calls, a half where nothing was called; and 1 without an answer, else the spare answers by turns.
fn penalty(calls: Real, failed: Real, answers: Real, turns: Real) -> Real =
  where(calls > 0, failed / max(calls, 1), 0.5)
  + where(answers > 0, min((answers - 1) / turns, 1), 1)

## Half of a group: right ones with the fewest faults and wrong ones in order, in proportion, two of each at least.
fn resampled(right: Real @ sample, faults: Real @ sample) -> Bool @ sample = {
  let many = count(right, per: prompt)
  let half = floor(many / 2)
  let rights = sum(right, per: prompt)
  let wanted = floor(rights / 2 + 0.5)
  let least = where(rights >= 2, 2, rights)
  let most = half - where(many - rights >= 2, 2, many - rights)
  let kept_right = min(max(wanted, least), max(most, least))
  let order = rank(where(right > 0, faults, 1000 + 0 * faults), per: prompt)
  where(right > 0, order < kept_right, order < rights + half - kept_right) > 0
}

objective supervised for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective roc for actor {
  maximize call: mean(clipped(exp(logp(actor, a) - a.logp), advantage, 0.8 .. 1.28), where: trained)
  maximize answer: mean(
    clipped(exp(logp(actor, b) - b.logp), advantage, 0.8 .. 1.28),
    where: trained
  )
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage roc {
    repeat steps {
      draw prompts prompts
      update actor with roc { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "of 32 trajectories, 8 right, the 4 cleanest right ones and 12 wrong ones stay" {
  let right =
    [
      1,
      1,
      1,
      1,
      1,
      1,
      1,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0
    ] @ sample
  let faults =
    [
      0.5,
      0.1,
      0.9,
      0.2,
      0.3,
      0.8,
      0.7,
      0.6,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0
    ] @ sample
  let kept = resampled(right, faults)
  expect count(right, where: kept) == 16
  expect sum(right, where: kept) == 4
  expect max(faults, where: kept) == 0.5
}

test "one failed call of four and one answer" {
  expect penalty(4, 1, 1, 2) == 0.25
  expect penalty(0, 0, 0, 2) == 1.5
}

test "the same by texts: four calls of which one cannot be read, and one answer" {
  expect penalty(calls("?a?b?c?x"), failed_calls("?a?b?c?x"), answers("=1"), 2) == 0.25
}

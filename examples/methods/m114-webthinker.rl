## WebThinker: iterative DPO on whole research trajectories, ordered by being right, then by few calls, then by being short.
## Paper: Li et al. 2025, "WebThinker: Empowering Large Reasoning Models with Deep Research Capability".
##
## Several trajectories of one question are compared rule after rule: a right answer wins over a wrong one; of equally right ones fewer
## tool calls win; with as many calls the shorter wins if the other is more than `gamma` times as long; otherwise there is no pair. DPO
## sees the policy's own tokens alone, and the reference is the last iterate.
## The paper: gamma 1.5, tools for search, navigation and writing, reports compared by a judge's score.
## Here a call and an answer, each a rollout of its own; every pair of a question's trajectories that the rules order is trained.
## Stands in: a lookup of facts for the web.

import std.preference (dpo, implicit_reward)

param gamma: Real in [1, 10] = 1.5
param beta: Real in (0, 10] = 0.1
param samples: Int in [2, 64] = 6
param prompts: Int in [1, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 8

data questions from python("tasks.lookup:questions", count: 512) {
  question: Text
  answer:   Text target
  call:     Text
}

# an action may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))
policy last = frozen(actor)

response shown = questions.call given questions.question

extern fn look_up(text: Text) -> Text = python("tasks.lookup:look_up")
extern fn calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:calls")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")

rollout a ~ last(questions.question) { samples: samples, max_tokens: 4 }
rollout b ~ last(a.prompt + a.text + look_up(a.text)) { samples: 1, max_tokens: 4 }

reward success = is_right(b.text, questions.answer)

let right = first(success, per: prompt)
let made = calls(a.text) + first(calls(b.text), per: prompt)
let length = a.length + first(b.length, per: prompt)
let better = is_preferred(right, made, length, gamma)

## Whether a trajectory is preferred to each other one of its question, @ pair.
fn is_preferred(
  right: Real @ sample,
  calls: Real @ sample,
  length: Real @ sample,
  gamma: Real
) -> Bool = {
  let other_right = others(right, per: prompt)
  let other_calls = others(calls, per: prompt)
  let other_length = others(length, per: prompt)
  let as_right = right == other_right
  let as_many = as_right and calls == other_calls
  right > other_right
    or (as_right and calls < other_calls)
    or (as_many and other_length > gamma * length)
}

objective supervised for actor {
  minimize nll: -mean(logp(actor, shown))
}

objective preferences for actor {
  let gain = implicit_reward(actor, last, a) + sum(implicit_reward(actor, last, b), per: prompt)
  let other = others(gain, per: prompt)
  minimize loss: mean(dpo(spread(gain, to: other) - other, beta), where: better)
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  repeat 3 {
    reset last to actor
    stage iteration {
      repeat steps {
        draw prompts prompts
        update actor with preferences {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "of two right trajectories the one with 2 calls wins over the one with 4" {
  let better = is_preferred([1, 1] @ sample, [2, 4] @ sample, [100, 90] @ sample, 1.5)
  expect sum(where(better, 1, 0), per: sample) == [1, 0]
}

test "with equal calls 100 tokens do not win over 140, and win over 160" {
  let near = is_preferred([1, 1] @ sample, [2, 2] @ sample, [100, 140] @ sample, 1.5)
  let far = is_preferred([1, 1] @ sample, [2, 2] @ sample, [100, 160] @ sample, 1.5)
  expect sum(where(near, 1, 0), per: sample) == [0, 0]
  expect sum(where(far, 1, 0), per: sample) == [1, 0]
}

test "a right answer wins over a wrong one whatever it took" {
  let better = is_preferred([1, 0] @ sample, [9, 0] @ sample, [900, 10] @ sample, 1.5)
  expect sum(where(better, 1, 0), per: sample) == [1, 0]
}

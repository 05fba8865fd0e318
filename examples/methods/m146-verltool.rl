## VerlTool: one protocol for tools between the turns of an answer, and a loss that never sees what a tool said.
## Paper: Jiang et al. 2025, "VerlTool: Towards Holistic Agentic Reinforcement Learning with Tool Use".
##
## An action ends, a tool server answers, the next action follows; every trajectory goes on by itself. The surrogate is averaged over the
## tokens of all actions of a trajectory, and observations are not among them. Trajectories that were cut off may be left out.
## The paper: GRPO or PPO; 16 answers, batches of 128, up to 10 turns, observations up to 512 tokens, no KL, lr 1e-6, and a server
## that keeps a state for each trajectory and runs them apart.
## Here up to two calls and an answer, each a rollout of its own that continues the text so far, observation included.
## Stands in: a lookup of facts, whose state is the text of the call.

import std.surrogate (clipped)

param samples: Int in [2, 64] = 16
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
extern fn answers(text: Text) -> Int in [0, inf) = python("tasks.lookup:answers")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")
extern fn kept_text(keep: Bool, text: Text) -> Text = python("tasks.lookup:kept_text")

rollout a ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout b ~ actor(a.prompt + a.text + look_up(a.text)) { samples: 1, max_tokens: 3 }

let goes_on = answers(a.text) == 0

reward success = is_right(a.text + kept_text(goes_on, b.text), questions.answer)

let outcome = first(success, per: prompt)
let advantage = normalize(outcome, per: prompt, guard: 1e-4)

## The mean over the tokens of two actions of one trajectory, of which the second may not be there.
fn over_actions(
  first: Real @ sample,
  second: Real @ sample,
  first_length: Real,
  second_length: Real
) -> Real @ sample = (first + second) / (first_length + second_length)

objective supervised for actor {
  minimize nll: -mean(logp(actor, shown))
}

objective tool_use for actor {
  let own = sum(clipped(exp(logp(actor, a) - a.logp), advantage, 0.8 .. 1.2), per: sample)
  let later = sum(clipped(exp(logp(actor, b) - b.logp), advantage, 0.8 .. 1.2), per: sample)
  let second = sum(where(goes_on, later, 0), per: prompt)
  let second_length = sum(where(goes_on, b.length, 0), per: prompt)
  maximize surrogate: mean(over_actions(own, second, a.length, second_length))
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage tools {
    repeat steps {
      draw prompts prompts
      update actor with tool_use {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a trajectory of 2 and 3 tokens is a mean over 5" {
  expect over_actions([0.4] @ sample, [0.6] @ sample, 2, 3) == [0.2] within 1e-12
}

test "without a second action it is single-turn GRPO" {
  let term = [[0.3, -0.1, 0.4]] @ token
  expect over_actions(sum(term, per: sample), 0 * mean(term, per: sample), 3, 0)
    == mean(term, per: sample) within 1e-12
}

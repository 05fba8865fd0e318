## MUA-RL: an agent that talks to a user who is played by a language model, and is paid for the state it leaves behind.
## Paper: Zhao et al. 2025, "MUA-RL: Multi-turn User-interacting Agent Reinforcement Learning for Agentic Tool Use".
##
## The policy alternates with a simulated user and with tool calls on a database of its own. The reward is 1 if the database ends as the right
## actions would have left it and everything that had to be said was said, else 0: nothing for the form, nothing for a turn. What user
## and tools say is in no loss. Advantages are GRPO's over 8 episodes of a task.
## The paper: KL (k3) 0.001, ratio in 0.8 .. 1.2, lr 1e-6, batches of 32, temperature 1, a supervised start, a large model as the user.
## Here two turns of the agent, each a rollout of its own, with the user between them. Stands in: a frozen copy of the policy for the
## user, and a few letters for the database.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 0.001
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data tasks from python("tasks.bookings:tasks", count: 512) {
  request: Text
  wanted:  Text target
  said:    Text target
  shown:   Text
}

# a turn may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abc+-!/|p<d>"))
policy user = frozen(actor)
policy ref = frozen(actor)

response demonstration = tasks.shown given tasks.request

extern fn says(text: Text) -> Text = python("tasks.bookings:says")
extern fn same_database(actions: Text, wanted: Text) -> Bool = python(
  "tasks.bookings:same_database"
)

rollout first_turn ~ actor(tasks.request) { samples: samples, max_tokens: 4 }
rollout reply ~ user(first_turn.prompt + first_turn.text + says(first_turn.text) + "/") {
  samples: 1
  max_tokens: 2
}
rollout second_turn ~ actor(reply.prompt + reply.text + "|") { samples: 1, max_tokens: 4 }

reward success =
  task_reward(
    same_database(first_turn.text + second_turn.text, tasks.wanted),
    text.contains(first_turn.text + second_turn.text, tasks.said)
  )

let outcome = first(first(success, per: prompt), per: prompt)
let advantage = normalize(outcome, per: prompt, guard: 1e-6)

## 1 if the database is as wanted and what had to be said was said.
fn task_reward(same: Bool, said: Bool) -> Real = where(same and said, 1, 0)

objective supervised for actor {
  minimize nll: nll_token_mean(actor, demonstration)
}

objective mua for actor {
  let opening = clipped(exp(logp(actor, first_turn) - first_turn.logp), advantage, 0.8 .. 1.2)
  let closing = clipped(exp(logp(actor, second_turn) - second_turn.logp), advantage, 0.8 .. 1.2)
  maximize opening: mean(opening - beta * k3(actor, ref, first_turn))
  maximize closing: mean(closing - beta * k3(actor, ref, second_turn))
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  reset user to actor
  stage episodes {
    repeat steps {
      draw prompts prompts
      update actor with mua { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "two right episodes of eight have advantage 1.6202, the others -0.5401" {
  let outcome = [1, 1, 0, 0, 0, 0, 0, 0] @ sample
  let z = normalize(outcome, per: prompt, guard: 0)
  expect max(z) == 1.6201851746 within 1e-9
  expect min(z) == -0.5400617249 within 1e-9
}

test "the right database without the words is worth nothing" {
  let same = [1, 1, 0] @ sample
  let said = [1, 0, 1] @ sample
  expect task_reward(same > 0, said > 0) == [1, 0, 0]
}

test "an episode is judged by what it leaves behind, not by how it got there" {
  let actions = ["+a!", "-b+b+a!", "+c!"] @ sample
  expect task_reward(same_database(actions, "+a"), text.contains(actions, "!")) == [1, 1, 0]
}

## ActiveVLN: exploring on one's own after a little imitation, with episodes that are given up in time and failed groups drawn again.
## Paper: Zhang et al. 2025, "ActiveVLN: Towards Active Exploration via Multi-Turn RL in Vision-and-Language Navigation".
##
## A few expert trajectories are imitated; then GRPO goes over whole episodes. An episode that stops near the goal earns 15 times its
## nearness, nothing else counts. An episode may take `budget` times as many steps as the expert and ends with 0 beyond. A group
## without a success is drawn again, up to two times.
## The paper: 4 episodes, temperature 1.2, budget 2 and at most 120 steps, ratio in 0.8 .. 1.28, no KL, lr 1e-6, up to 3 actions a turn.
## Here two turns, each a rollout of its own. Stands in: a plane for the building, and positions in words for what is seen.
## A group that failed is not drawn again.

import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param budget: Real in [1, 10] = 2
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data routes from python("tasks.routes:routes", count: 512) {
  instruction: Text
  goal:        Text target
  expert:      Text
}

# actions may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(
  layers: 2,
  width: 48,
  heads: 4,
  tokenizer: characters("lruds0123456789-,p<a>")
)

response shown = routes.expert given routes.instruction

extern fn seen(actions: Text) -> Text = python("tasks.routes:seen")
extern fn distance(actions: Text, goal: Text) -> Real in [0, inf) = python("tasks.routes:distance")
extern fn taken(actions: Text) -> Int in [0, inf) = python("tasks.routes:taken")
extern fn stopped(actions: Text) -> Bool = python("tasks.routes:stopped")

rollout a ~ actor(routes.instruction) { samples: samples, max_tokens: 3, temperature: 1.2 }
rollout b ~ actor(a.prompt + a.text + seen(a.text)) { samples: 1, max_tokens: 3, temperature: 1.2 }

reward total =
  episode_reward(
    distance(a.text + b.text, routes.goal),
    stopped(a.text + b.text),
    taken(a.text + b.text),
    budget * taken(routes.expert)
  )

let outcome = first(total, per: prompt)
let advantage = normalize(outcome, per: prompt, guard: 1e-4)
let goes_on = not stopped(a.text)

## 15 times the nearness of a stop within 3 metres and within the steps that are allowed.
fn episode_reward(distance: Real, stopped: Bool, taken: Real, allowed: Real) -> Real =
  where(stopped and taken <= allowed and distance <= 3, 15 * (1 - min(distance / 3, 1)), 0)

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective exploration for actor {
  let first_ratio = exp(logp(actor, a, temperature: 1.2) - a.logp)
  let second_ratio = exp(logp(actor, b, temperature: 1.2) - b.logp)
  maximize first_turn: mean(clipped(first_ratio, advantage, 0.8 .. 1.28))
  maximize second_turn: mean(clipped(second_ratio, advantage, 0.8 .. 1.28), where: goes_on)
}

train {
  stage imitation {
    repeat warm {
      draw 32 rows
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage exploration {
    repeat steps {
      draw prompts prompts
      update actor with exploration {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a stop at 1.5 metres is worth 7.5, at 3 nothing, no stop nothing" {
  let distance = [1.5, 3, 0.5] @ sample
  let stopped = [1, 1, 0] @ sample
  expect episode_reward(distance, stopped > 0, 10, 40) == [7.5, 0, 0]
}

test "an expert path of 20 actions allows 40" {
  let taken = [40, 41] @ sample
  expect episode_reward(1.5, taken > 0, taken, 2 * 20) == [7.5, 0]
}

## EPO: a model that writes strategies for another one that acts, trained turn by turn on the returns of what mattered.
## Paper: Liu et al. 2025, "EPO: Explicit Policy Optimization for Strategic Reasoning in LLMs via Reinforcement Learning".
##
## In each turn the strategist writes a short strategy and a frozen actor answers. A turn earns 1 if a judge calls it critical, the
## last one the score of the goal; returns are discounted from the end and divided by the largest of the trajectory. The loss
## is REINFORCE on the mean log-probability of each strategy, averaged over the turns, so that a long strategy counts as a short one.
## The paper: discount 0.99, lr 1e-6, 3 epochs, a language model as the judge, dialogues of varying length, both sides renewed in
## self-play. Here three turns, each a rollout that continues the last.
## Stands in: a function of the strategies for the judge.

param discount: Real in (0, 1] = 0.99
param prompts: Int in [2, 4096] = 32
param steps: Int in [1, 100000] = 30

data scenes from python("tasks.dialogues:scenes", count: 512) {
  scene: Text
  goal:  Text target
}

# what is said may hold the token `<pad>`, whose letters the next prompt needs
policy strategist from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>/"))
policy partner = frozen(strategist)

rollout first_plan ~ strategist(scenes.scene) { samples: 1, max_tokens: 2 }
rollout first_reply ~ partner(scenes.scene + first_plan.text + "/") { samples: 1, max_tokens: 2 }
rollout second_plan ~ strategist(first_reply.prompt + first_reply.text + "/") {
  samples: 1
  max_tokens: 2
}
rollout second_reply ~ partner(second_plan.prompt + second_plan.text + "/") {
  samples: 1
  max_tokens: 2
}
rollout third_plan ~ strategist(second_reply.prompt + second_reply.text + "/") {
  samples: 1
  max_tokens: 2
}

extern fn critical(strategy: Text, before: Text, goal: Text) -> Real in {0, 1} = python(
  "tasks.dialogues:critical"
)
extern fn achieved(strategies: Text, goal: Text) -> Real in [0, 1] = python(
  "tasks.dialogues:achieved"
)

reward first_turn = critical(first_plan.text, "", scenes.goal)
reward second_turn = critical(second_plan.text, first_plan.text, scenes.goal)
reward last_turn = achieved(first_plan.text + second_plan.text + third_plan.text, scenes.goal)

let third_return = last_turn
let second_return = second_turn + discount * third_return
let first_return = first_turn + discount * second_return
let largest = max(max(abs(first_return), abs(second_return)), abs(third_return))

## A return over the largest of its trajectory; 0 where all are 0.
fn scaled(turn_return: Real, largest: Real) -> Real =
  where(largest > 0, turn_return / max(largest, 1e-9), 0)

## The mean log-probability of a strategy, weighted.
fn strategy_term(log_p: Real @ token, weight: Real) -> Real @ sample =
  weight * mean(log_p, per: sample)

objective epo for strategist {
  let first = mean(strategy_term(logp(strategist, first_plan), scaled(first_return, largest)))
  let second = mean(strategy_term(logp(strategist, second_plan), scaled(second_return, largest)))
  let third = mean(strategy_term(logp(strategist, third_plan), scaled(third_return, largest)))
  maximize reinforce: (first + second + third) / 3
}

train {
  repeat steps {
    draw prompts prompts
    update strategist with epo { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    every 10 { reset partner to strategist }
  }
}

test "turn rewards 0, 1 and 0.8 at discount 0.99" {
  let third = 0.8
  let second = 1 + 0.99 * third
  let first = 0 + 0.99 * second
  expect first == 1.77408 within 1e-12
  expect second == 1.792 within 1e-12
  expect scaled(first, second) == 0.99 within 1e-12
  expect scaled(third, second) == 0.4464285714 within 1e-9
}

test "a strategy of twice the length and the same mean counts the same" {
  let log_p = [[-1, -2], [-1, -2, -1, -2]] @ token
  expect strategy_term(log_p, 0.5) == [-0.75, -0.75]
}

test "a strategy is critical where it names the goal for the first time" {
  let before = ["", "a", "ab"] @ sample
  expect critical("b", before, "b") == [1, 1, 0]
  expect achieved("abb", "b") == 0.6666666667 within 1e-9
}

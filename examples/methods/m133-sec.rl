## SEC: a curriculum as a bandit, whose arms are categories and whose reward is how much the policy still learns from them.
## Paper: Chen et al. 2025, "Self-Evolving Curriculum for LLM Reasoning".
##
## Every slot of a batch draws a category by a softmax over the arms' values and then one of its questions. After the rollouts an
## arm's reward is the mean size of the advantages in its category; its value moves towards it by `alpha`, and stays where the
## category was not drawn. With right and wrong as reward and normalised advantages the mean size is `2 sqrt(p (1 - p))`: largest
## for questions that are solved half of the time.
## The paper: values start at 0, alpha 0.2 to 0.5 and the temperature `tau` tuned for each domain; with GRPO, RLOO or PPO.
## Here a row of the data is a slot: a question of each category and a number that chooses.

import std.choice (text_where)
import std.surrogate (clipped)

param alpha: Real in (0, 1] = 0.5
param tau: Real in (0, 100] = 0.2
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 16
param steps: Int in [1, 100000] = 30

data slots from python("tasks.categories:slots", count: 1024) {
  chance:        Real
  easy:          Text
  middle:        Text
  hard:          Text
  easy_answer:   Text target
  middle_answer: Text target
  hard_answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

state easy_value: Real = 0
state middle_value: Real = 0
state hard_value: Real = 0

let easy_share = share(easy_value, easy_value, middle_value, hard_value, tau)
let hard_share = share(hard_value, easy_value, middle_value, hard_value, tau)
let is_easy = slots.chance < easy_share
let is_hard = slots.chance >= 1 - hard_share
let is_middle = not is_easy and not is_hard

rollout y ~ actor(
  text_where(is_easy, slots.easy)
    + text_where(is_middle, slots.middle)
    + text_where(is_hard, slots.hard)
) { samples: samples, max_tokens: 4 }

reward correct =
  where(
    is_easy,
    text.ends_with(y.text, slots.easy_answer),
    where(
      is_hard,
      text.ends_with(y.text, slots.hard_answer),
      text.ends_with(y.text, slots.middle_answer)
    )
  )

let advantage = normalize(correct, per: prompt, guard: 1e-4)

easy_value <- next_value(easy_value, mean(abs(advantage), where: is_easy), alpha)
middle_value <- next_value(middle_value, mean(abs(advantage), where: is_middle), alpha)
hard_value <- next_value(hard_value, mean(abs(advantage), where: is_hard), alpha)

## The probability of an arm: a softmax of three values by a temperature.
fn share(own: Real, a: Real, b: Real, c: Real, tau: Real) -> Real =
  exp(own / tau) / (exp(a / tau) + exp(b / tau) + exp(c / tau))

## One step towards what an arm earned; a value stays where the arm was not drawn.
fn next_value(value: Real, earned: Real, alpha: Real) -> Real =
  value + alpha * ((earned else value) - value)

objective curriculum for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with curriculum {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "an arm that earns 0.8 twice" {
  let once = next_value(0, 0.8, 0.5)
  expect once == 0.4 within 1e-12
  expect next_value(once, 0.8, 0.5) == 0.6 within 1e-12
}

test "an arm that was not drawn stays" {
  let drawn = [0] @ sample
  let earned = mean([0.8] @ sample, where: drawn > 0)
  expect next_value(0.3, earned, 0.5) == 0.3
}

test "a category that is solved a fifth of the time earns 0.8" {
  # five answers of which one is right, by the population's deviation
  let correct = [1, 0, 0, 0, 0] @ sample
  expect mean(abs(correct - mean(correct)) / std_population(correct)) == 0.8 within 1e-12
}

test "a hot softmax draws evenly, a cold one the best" {
  expect share(0.6, 0.6, 0.2, 0.1, 1e9) == 0.3333333333 within 1e-9
  expect share(0.6, 0.6, 0.2, 0.1, 0.01) == 1 within 1e-12
  expect share(0, 0, 0, 0, 0.2) == 0.3333333333 within 1e-9
}

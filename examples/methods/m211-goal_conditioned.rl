## Goal-conditioned contrastive reward model: states of good answers lie near their later states and far from those of bad ones.
## Paper: Nath et al. 2024, "Learning Goal-Conditioned Representations for Language Reward Models".
##
## Beside the Bradley-Terry loss, the reward model's hidden states are trained: at random positions of the preferred answer a state and a
## later one (its goal) should point the same way, states of the preferred and of the other answer should not. With S+ and S- the
## mean sigmoid of cosines of the two kinds, the extra loss is `beta (-log S+ - log(1 - S-))`. The cosine of a prefix with the mean
## state of known good answers, the prototype, is then a value of the prefix, for filtering and for steering.
## The paper: 16 positions of each kind, beta 0.5, lr 9e-6, one epoch. Here two pairs of each kind; of a cosine it does not matter
## which of the two positions is the later one. The eval says how far good and bad answers of unseen questions lie from the prototype.

import std.reward_model (bradley_terry)

param beta: Real in [0, 10] = 0.5
param steps: Int in [1, 100000] = 30

data pairs from python("tasks.letters:preferences", count: 1024) {
  question: Text
  answer:   Text
  chosen:   Text
  rejected: Text
}
data unseen from python("tasks.letters:preferences", count: 64, seed: 1) {
  question: Text
  answer:   Text
  chosen:   Text
  rejected: Text
}

scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response win = pairs.chosen given pairs.question for rm
response lose = pairs.rejected given pairs.question for rm

## The mean direction of the good answers at hand.
let prototype = mean(hidden(rm, win))
let good = mean(cosine(hidden(rm, win), prototype), per: sample)
let bad = mean(cosine(hidden(rm, lose), prototype), per: sample)

## How alike states are that should be alike, and unalike those that should not: two cosines of each kind.
fn contrast(near_1: Real, near_2: Real, far_1: Real, far_2: Real) -> Real = {
  let alike = (sigmoid(near_1) + sigmoid(near_2)) / 2
  let cross = (sigmoid(far_1) + sigmoid(far_2)) / 2
  (-log(alike) - log1p(-cross))
}

objective representations for rm {
  let drawn = rank(win.uniform, per: sample)
  let drawn_lose = rank(lose.uniform, per: sample)
  let states = hidden(rm, win)
  let a = sum(states, per: sample, where: drawn == 0)
  let b = sum(states, per: sample, where: drawn == 1)
  let c = sum(states, per: sample, where: drawn == 2)
  let other_a = sum(hidden(rm, lose), per: sample, where: drawn_lose == 0)
  let other_b = sum(hidden(rm, lose), per: sample, where: drawn_lose == 1)
  let apart = contrast(cosine(a, b), cosine(b, c), cosine(a, other_a), cosine(b, other_b))
  minimize preferences: mean(bradley_terry(score(rm, win), score(rm, lose)))
  minimize contrast: beta * mean(apart)
}

eval separation on unseen { report good: mean(good), bad: mean(bad) }

train {
  repeat steps {
    draw 32 rows
    update rm with representations { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    every 10 { evaluate separation }
  }
}

test "cosines of 1 within and -1 across leave 0.31326 at beta 0.5" {
  # each part is log(1 + 1 / e)
  expect 0.5 * contrast(1, 1, -1, -1) == 0.3132616875 within 1e-9
}

test "with beta 0 it is Bradley-Terry, ln 2 for equal scores" {
  expect bradley_terry(0.3, 0.3) + 0 * contrast(0.1, 0.2, 0.3, 0.4) == 0.6931471806 within 1e-9
}

test "states that should be alike are drawn together, the others apart" {
  let near = live([0.2] @ sample)
  let far = live([0.2] @ sample)
  expect gradient(sum(contrast(near, 0.2, far, 0.2)), of: near) == [-0.2250830013] within 1e-9
  expect gradient(sum(contrast(0.2, near, 0.2, far)), of: far) == [0.2749169987] within 1e-9
}

## UFO: trying again after nothing but "no", several turns on one problem, with a reward that fades and one for variety.
## Paper: Liu et al. 2025, "A Simple 'Try Again' Can Elicit Multi-Turn LLM Reasoning".
##
## After a wrong answer the only observation is that it is wrong; the first right answer ends the episode and earns 1/2 for each
## try before it. An episode that repeats itself loses up to 1/2: `0.5 (1 - different answers / answers)`. PPO with a critic, lambda
## and discount 1 over the whole episode, ratio in 0.8 .. 1.28, entropy bonus 0.001. Of the groups drawn, the quarter whose
## rewards vary most is trained on.
## The paper: up to 5 turns, 8 problems of 16 rollouts in an update. Here 3 turns, each a rollout that continues the last; turns
## after a right answer are drawn too and left out, which changes the cost and not the mathematics.

import std.surrogate (clipped)
import std.value (clipped_value_loss)

param bonus: Real in [0, 1] = 0.001
param kept: Real in (0, 1] = 0.25
param samples: Int in [2, 64] = 16
param prompts: Int in [2, 4096] = 16
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

# an answer may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>!"))
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>!"))

rollout a ~ actor(problems.question) { samples: samples, max_tokens: 3 }
rollout b ~ actor(a.prompt + a.text + "!") { samples: 1, max_tokens: 3 }
rollout c ~ actor(b.prompt + b.text + "!") { samples: 1, max_tokens: 3 }

reward right_a = text.ends_with(a.text, problems.answer)
reward right_b = text.ends_with(b.text, problems.answer)
reward right_c = text.ends_with(c.text, problems.answer)

let goes_on_b = 1 - right_a
let goes_on_c = goes_on_b * (1 - right_b)
let answers = 1 + goes_on_b + goes_on_c
let new_b = where(text.equal(b.text, a.text), 0, 1)
let new_c = where(text.equal(c.text, a.text) or text.equal(c.text, b.text), 0, 1)
let different = 1 + goes_on_b * new_b + goes_on_c * new_c

reward total = try_again(right_a, goes_on_b * right_b, goes_on_c * right_c, different, answers)

## The episode's reward at its first turn, where its group is.
let episode = first(first(total, per: prompt), per: prompt)
let spread_of_group = std(episode, per: prompt)
let informative = top(spread_of_group, -floor(-kept * count(spread_of_group)), per: batch)
let trained_b = informative and goes_on_b > 0
let trained_c = informative and goes_on_c > 0

let before_a = value(v, a)
let before_b = value(v, b)
let before_c = value(v, c)
let advantage_a = episode - before_a
let advantage_b = first(total, per: prompt) - before_b
let advantage_c = total - before_c

## 1, 1/2 or 1/4 for being right at the first, second or third try, less half the share of answers that were repeated.
fn try_again(first: Real, second: Real, third: Real, different: Real, answers: Real) -> Real =
  first + second / 2 + third / 4 - 0.5 * (1 - different / max(answers, 1))

objective ufo for actor {
  let ratio_a = exp(logp(actor, a) - a.logp)
  let ratio_b = exp(logp(actor, b) - b.logp)
  let ratio_c = exp(logp(actor, c) - c.logp)
  maximize turn_a: mean(clipped(ratio_a, advantage_a, 0.8 .. 1.28), where: informative)
  maximize turn_b: mean(clipped(ratio_b, advantage_b, 0.8 .. 1.28), where: trained_b)
  maximize turn_c: mean(clipped(ratio_c, advantage_c, 0.8 .. 1.28), where: trained_c)
  maximize entropy: bonus * mean(entropy(actor, a), where: informative)
}

objective values for v {
  minimize error_a: mean(
    clipped_value_loss(value(v, a), before_a, episode, 0.2),
    where: informative
  )
  minimize error_b: mean(
    clipped_value_loss(value(v, b), before_b, first(total, per: prompt), 0.2),
    where: trained_b
  )
  minimize error_c: mean(clipped_value_loss(value(v, c), before_c, total, 0.2), where: trained_c)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with ufo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "right at once pays 1, wrong and then right another way 0.5" {
  expect try_again(1, 0, 0, 1, 1) == 1
  expect try_again(0, 1, 0, 2, 2) == 0.5
}

test "five wrong answers that are all the same cost 0.4" {
  expect try_again(0, 0, 0, 1, 5) == -0.4 within 1e-12
}

test "with one turn the reward is the verdict" {
  let right = [1, 0] @ sample
  expect try_again(right, 0, 0, 1, 1) == right
}

## Balanced online difficulty filtering: only prompts that the policy solves sometimes, neither rarely nor nearly always.
## Paper: Bae et al. 2025, "Online Difficulty Filtering for Reasoning Oriented Reinforcement Learning".
##
## With right and wrong as reward and the KL-regularised optimum as the goal, how much a prompt can teach is the divergence of the
## policy from that optimum, `log(1 - p + p e^(1/beta)) - p / beta`, near `p (1 - p) / (2 beta^2)`: most at a success rate of a
## half. Prompts are kept where the success rate of the group lies in a band around it; from those GRPO learns.
## The paper: band 0.2 .. 0.8 (skewed bands are its ablation), ratio in 0.8 .. 1.2, a KL to the start. With the band
## `1/G .. 1 - 1/G` it is DAPO's dynamic sampling.

import std.divergence (k3)
import std.surrogate (clipped)

param lowest: Real in [0, 1] = 0.2
param highest: Real in [0, 1] = 0.8
param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 10
param prompts: Int in [2, 4096] = 16
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let kept = is_kept(correct, lowest, highest)

## Whether the success rate of a group lies in the band, ends included.
fn is_kept(correct: Real @ sample, low: Real, high: Real) -> Bool @ prompt = {
  let rate = mean(correct, per: prompt)
  rate >= low and rate <= high
}

## The divergence of a policy with success rate p from the optimum of reward less `beta` times KL: how much there is to learn.
fn learnable(p: Real, beta: Real) -> Real = log(1 - p + p * exp(1 / beta)) - p / beta

objective balanced for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample), where: kept)
    else 0
  minimize kl: beta * (mean(mean(k3(actor, ref, y), per: sample), where: kept) else 0)
}

guard mean(learnable(mean(correct, per: prompt), 1)) > 0 else warn

train {
  repeat steps {
    draw prompts prompts
    update actor with balanced {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "of prompts with 1, 2, 5, 8 and 9 right answers of 10 the middle three are kept" {
  let correct =
    [
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
      [1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    ] @ sample
  expect where(is_kept(correct, 0.2, 0.8), 1, 0) == [0, 1, 1, 1, 0]
  expect where(is_kept(correct, 0.1, 0.9), 1, 0) == [1, 1, 1, 1, 1]
}

test "a group that agrees is left out by the band from one right to one wrong" {
  expect where(is_kept([[1, 1], [0, 0], [0, 1]] @ sample, 0.5, 0.5), 1, 0) == [0, 0, 1]
}

test "what can be learned at a half, exactly and in the second order" {
  expect learnable(0.5, 1) == 0.12011 within 1e-5
  expect learnable(0, 1) == 0
  expect learnable(1, 1) == 0 within 1e-12
}

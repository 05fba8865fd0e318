## Rubicon: rubrics as the reward, with a veto, returns that diminish and pairs of criteria that count together.
## Paper: Huang et al. 2025, "Reinforcement Learning with Rubric Anchors" (Rubicon).
##
## A judge scores an answer on each dimension. A failed critical dimension, such as the one that looks for reward hacking, makes
## the rest worthless; each dimension saturates; two dimensions that are both met are worth more than their sum; and the
## highest totals are spread apart. Training has two stages, constraints first and open-ended rubrics after, and the second adds
## a defence rubric against what the first was hacked by. Prompts are kept where the start scores in a central band.
## The paper says these in words, without equations or numbers. The carrier here:
## `veto * stretch(sum w g(s) + sum w_kl s_k s_l)`, g being `(1 - exp(-a s)) / (1 - exp(-a))`.
## The judge is a server that speaks the OpenAI-compatible protocol, at `JUDGE_URL`.

import std.surrogate (clipped)

param saturation: Real in (0, 10] = 2
param synergy: Real in [0, 1] = 0.2
param knee: Real in [0, 1] = 0.8
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) { question: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

rubric constraints judged by grader {
  "Every instruction of the question is followed"  weight 2
  "The requested format is kept"                   weight 1
}
rubric voice judged by grader {
  "The answer sounds like a person who means it"  weight 2
  "Images are concrete"                           weight 1
}
rubric honest judged by grader {
  "The answer praises itself or speaks of how it will be judged"  veto
}

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward follows = constraints(y.text, problems.question)
reward expressive = voice(y.text, problems.question)
reward clean = honest(y.text, problems.question)
reward total = anchored(follows, expressive, clean, saturation, synergy, knee)

let follows_advantage = normalize(follows, per: prompt, guard: 1e-4)
let advantage = normalize(total, per: prompt, guard: 1e-4)
let within_band = mean(total, per: prompt) > 0.1 and mean(total, per: prompt) < 0.9

## A score in [0, 1] whose growth slows: `(1 - exp(-rate s)) / (1 - exp(-rate))`.
fn saturated(score: Real, rate: Real) -> Real = expm1(-rate * score) / expm1(-rate)

## The identity up to `knee`, twice as steep above.
fn stretched(total: Real, knee: Real) -> Real = total + relu(total - knee)

## Two dimensions of weight 1/2, what they are worth together, and a critical one that makes all of it 0.
fn anchored(
  first: Real,
  second: Real,
  critical: Real,
  rate: Real,
  synergy: Real,
  knee: Real
) -> Real = {
  let sum = 0.5 * saturated(first, rate) + 0.5 * saturated(second, rate) + synergy * first * second
  where(critical >= 0.5, stretched(sum, knee), 0)
}

objective constraints_first for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, follows_advantage, 0.8 .. 1.2))
}

objective open_ended for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: within_band)
}

train {
  stage constraints {
    repeat steps {
      draw prompts prompts
      update actor with constraints_first {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage open_ended {
    repeat steps {
      draw prompts prompts
      update actor with open_ended {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a failed critical dimension leaves nothing" {
  let critical = [1, 0] @ sample
  expect min(anchored(0.9, 0.8, critical, 2, 0.2, 0.8)) == 0
  expect max(anchored(0.9, 0.8, critical, 2, 0.2, 0.8)) > 0
}

test "without saturation, synergy and stretch it is the weighted mean" {
  # a rate near 0 is the identity
  expect anchored(0.4, 0.6, 1, 1e-9, 0, 1) == 0.5 within 1e-9
}

test "what a dimension still adds shrinks as it grows" {
  let score = live([0.1, 0.5, 0.9] @ sample)
  let slope = gradient(sum(saturated(score, 2)), of: score)
  expect slope == [1.893753121, 0.8509181282, 0.3823421611] within 1e-9
}

## Rubicon: rubrics as the reward, with a veto, returns that diminish and pairs of criteria that count together.
## Paper: Huang et al. 2025, "Reinforcement Learning with Rubric Anchors" (Rubicon).
##
## A judge puts an answer on one of several tiers of each dimension. A failed critical dimension, such as the one that looks for
## reward hacking, makes the rest worthless; each dimension saturates; two dimensions that are both met are worth more than their
## sum; and the highest totals are spread apart. Training has two stages, constraints first and open-ended rubrics after, and the
## second adds a defence rubric against what the first was hacked by. Prompts are kept where the start scores in a central band.
## The paper says these in words, without equations or numbers. The carrier here:
## `veto * stretch(sum w g(s) / sum w + synergy * sum s_k s_l)`, g being `(1 - exp(-a s)) / (1 - exp(-a))`, over pairs of criteria.
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
policy start = frozen(actor)
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

rubric constraints judged by grader {
  scale: ordinal(missed: 0, partly: 1, met: 2)
  "Every instruction of the question is followed"  weight 2
  "The requested format is kept"                   weight 1
}
rubric voice judged by grader {
  scale: ordinal(poor: 0, fair: 1, good: 2, excellent: 3)
  "The answer sounds like a person who means it"  weight 2
  "Images are concrete"                           weight 1
}
rubric honest judged by grader {
  "The answer praises itself or speaks of how it will be judged"  veto
}

rollout base ~ start(problems.question) { samples: 4, max_tokens: 4 }
rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward follows = constraints(y.text, problems.question)
reward clean = honest(y.text, problems.question)
reward expressive =
  combined(
    verdicts(voice, y.text, problems.question),
    weights(voice, y.text, problems.question),
    saturation,
    synergy
  )
reward total = where(clean >= 0.5, stretched(expressive, knee), 0)

let follows_advantage = normalize(follows, per: prompt, guard: 1e-4)
let advantage = normalize(total, per: prompt, guard: 1e-4)
let middle = mean(voice(base.text, problems.question), per: prompt)
let within_band = middle > 0.1 and middle < 0.9

## A score in [0, 1] whose growth slows: `(1 - exp(-rate s)) / (1 - exp(-rate))`.
fn saturated(score: Real, rate: Real) -> Real = clip(expm1(-rate * score) / expm1(-rate), 0 .. 1)

## The identity up to `knee`, twice as steep above.
fn stretched(total: Real, knee: Real) -> Real = total + relu(total - knee)

## The weighted mean of saturated scores, and `synergy` for each pair of criteria times both their scores.
fn combined(score: Real, weight: Real, rate: Real, synergy: Real) -> Real = {
  let pairs = (sum(score, per: sample) ^ 2 - sum(score ^ 2, per: sample)) / 2
  sum(weight * saturated(score, rate), per: sample) / sum(weight, per: sample) + synergy * pairs
}

objective constraints_first for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, follows_advantage, 0.8 .. 1.2))
}

objective open_ended for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: within_band) else 0
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

test "without saturation and synergy it is the weighted mean" {
  # a rate near 0 is the identity: (2 x 0.4 + 1 x 0.7) / 3
  let score = [0.4, 0.7] @ criterion
  let weight = [2, 1] @ criterion
  expect combined(score, weight, 1e-9, 0) == [0.5] within 1e-8
}

test "two dimensions that are both met are worth more than their sum" {
  # (0.5 + 0.8) / 2 + 0.2 x 0.5 x 0.8
  let score = [0.5, 0.8] @ criterion
  let weight = [1, 1] @ criterion
  expect combined(score, weight, 1e-9, 0.2) == [0.73] within 1e-8
}

test "above the knee totals are spread apart" {
  expect stretched(0.9, 0.8) - stretched(0.8, 0.8) == 0.2 within 1e-12
  expect stretched(0.4, 0.8) == 0.4
}

test "what a dimension still adds shrinks as it grows" {
  let score = live([0.1, 0.5, 0.9] @ sample)
  let slope = gradient(sum(saturated(score, 2)), of: score)
  expect slope == [1.893753121, 0.8509181282, 0.3823421611] within 1e-9
}

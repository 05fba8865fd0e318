## Hi-GRPO: two phases of one answer, a plan and its refinement, each with advantages of its own.
## Paper: "Are We Ready for RL in Text-to-3D Generation? A Progressive Investigation" (2025), AR3D-R1.
##
## The first phase writes a plan and a coarse object, the second, with the plan in its prompt, the refined one. Each phase has
## its rewards; what the second earns is raised by `lambda` times what its own plan earned. Advantages are normalised over the 8
## answers of the problem, phase by phase, and the two clipped losses are added, with the KL kept.
## The paper: ratio with a higher upper bound, groups without signal left out, 3D tokens of a quantised autoencoder, and as
## rewards preference models of rendered views. Its coefficients for the sum of rewards are not published.
## Stands in: letters for 3D tokens, two measures of a text for the preference models.

import std.divergence (k3)
import std.surrogate (clipped)

param lambda: Real in [0, 1] = 0.5
param beta: Real in [0, 1] = 0.001
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text target
}

# a plan may hold the token `<pad>`, whose letters the second prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))
policy ref = frozen(actor)

rollout plan ~ actor(problems.question) { samples: samples, max_tokens: 3 }
rollout refined ~ actor(problems.question + plan.text + ">") { samples: 1, max_tokens: 3 }

reward low =
  0.5 * text.contains(plan.text, problems.answer) + 0.5 * text.ends_with(plan.text, problems.answer)
reward high =
  0.5 * text.ends_with(refined.text, problems.answer)
  + 0.5 * text.matching_places(refined.text, problems.solution)

## The one refinement of each plan, at the level of the plan, so that the answers to a problem are a group.
let raised = first(raised_by_plan(high, low, lambda), per: prompt)

let low_advantage = normalize(low, per: prompt, guard: 1e-4)
let high_advantage = normalize(raised, per: prompt, guard: 1e-4)
let low_informative = std(low, per: prompt) > 0
let high_informative = std(raised, per: prompt) > 0

## What a refinement earns, and a share of what its plan earned.
fn raised_by_plan(high: Real, low: Real, share: Real) -> Real = high + share * low

objective hierarchical for actor {
  let low_ratio = exp(logp(actor, plan) - plan.logp)
  let high_ratio = exp(logp(actor, refined) - refined.logp)
  maximize coarse: mean(clipped(low_ratio, low_advantage, 0.8 .. 1.28), where: low_informative)
  maximize fine: mean(clipped(high_ratio, high_advantage, 0.8 .. 1.28), where: high_informative)
  minimize coarse_kl: beta * mean(k3(actor, ref, plan))
  minimize fine_kl: beta * mean(k3(actor, ref, refined))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with hierarchical {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "0.4 for the refinement and 0.6 for its plan, at a half" {
  expect raised_by_plan(0.4, 0.6, 0.5) == 0.7 within 1e-12
}

test "with lambda 0 the phases are two GRPO losses" {
  let high = [0.4, 0.1, 0.9] @ sample
  let low = [0.6, 0.2, 0.1] @ sample
  expect normalize(raised_by_plan(high, low, 0), per: prompt, guard: 1e-4)
    == normalize(high, per: prompt, guard: 1e-4)
}

test "what all plans of a problem earned alike cancels" {
  let high = [0.4, 0.1, 0.9] @ sample
  let low = [0.5, 0.5, 0.5] @ sample
  expect normalize(raised_by_plan(high, low, 0.5), per: prompt, guard: 0)
    == normalize(high, per: prompt, guard: 0) within 1e-12
}

## Iterative GSPO-DPO (Uni-MoE-2.0): rounds of sequence-level policy gradient, each followed by DPO on its rollouts.
## Paper: "Uni-MoE-2.0-Omni: Scaling Language-Centric Omnimodal Large Model with Advanced MoE, Training and Data" (2025).
##
## GSPO clips one ratio for the whole answer, the geometric mean of its tokens', which keeps a mixture of experts stable. Then
## pairs are made from rollouts: the better answer is a right one, or a stronger annotator's where the policy has none; the
## other is a wrong one. DPO is against the policy as GSPO left it; then the next round begins.
## The paper's coefficients are not published; GSPO's own bounds 0.9997 .. 1.0004 are for long answers, wider ones here, DPO
## beta 0.1. A cold start by imitation comes first.

import std.pairing (of_best, of_worst)
import std.preference (dpo, implicit_reward)
import std.sequence (gspo)
import std.supervised (nll_token_mean)

param beta: Real in (0, 10] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 10
param steps: Int in [1, 100000] = 10

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

response annotated = problems.solution given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let solved = any(correct, per: prompt)
let failed_once = not all(correct, per: prompt)

## The better of a pair: the policy's own where it has a right one, else the annotator's.
fn preferred(solved: Bool, own: Real, annotated: Real) -> Real = where(solved, own, annotated)

objective cold_start for actor {
  minimize nll: nll_token_mean(actor, annotated)
}

objective policy_gradient for actor {
  maximize surrogate: mean(gspo(logp(actor, y) - y.logp, advantage, 0.9 .. 1.1))
}

objective preferences for actor {
  let gain = implicit_reward(actor, ref, y)
  let better =
    preferred(solved, of_best(gain, correct, per: prompt), implicit_reward(actor, ref, annotated))
  let margin = better - of_worst(gain, correct, per: prompt)
  minimize loss: mean(dpo(margin, beta), where: failed_once)
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update actor with cold_start { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  repeat 2 {
    stage gspo {
      repeat steps {
        draw prompts prompts
        update actor with policy_gradient {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
    reset ref to actor
    stage dpo {
      repeat steps {
        draw prompts prompts
        update actor with preferences {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "token ratios 1.2 and 1 / 1.2 make a sequence ratio of 1, which no clip touches" {
  let log_ratio = live([[0.1823215568, -0.1823215568]] @ token)
  let surrogate = gspo(log_ratio, [1] @ sample, 0.9 .. 1.1)
  expect surrogate == [1] within 1e-9
  expect gradient(sum(surrogate), of: log_ratio) == [[0.5, 0.5]] within 1e-9
}

test "where the policy has no right answer the annotator's takes its place" {
  let solved = [1, 0] @ prompt
  expect preferred(solved > 0, 0.3, 0.7) == [0.3, 0.7]
}

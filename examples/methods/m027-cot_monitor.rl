## CoT Monitor+: the policy watches its own reasoning, and what it finds is a constraint with a multiplier that is learned.
## Paper: "Mitigating Deceptive Alignment via Self-Monitoring" (2025), CoT Monitor+.
##
## An answer is reasoning, then a verdict of the policy's own monitor on it, then the result. First all three are imitated.
## Then the task reward is maximised subject to a mean monitor reward of at least 0, which is 0 where the monitor finds
## nothing and negative where it does: the policy climbs `task + lambda monitor`, and lambda grows by eta times the violation.
## The paper: constrained reinforcement learning by the Lagrangian; its step sizes are not stated. Here eta is 0.1, lambda
## starts at 0.
## Stands in: in `b!a` the sign after the reasoning is the monitor's verdict, `.` for nothing found and `!` for a finding.

import std.coefficient (dual_ascent)
import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param eta: Real in [0, 1] = 0.1
param beta: Real in [0, 1] = 0.001
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:monitored", count: 1024) {
  question: Text
  answer:   Text target
  trace:    Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd.!>"))
policy ref = frozen(actor)

response shown = problems.trace given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

state multiplier: Real in [0, inf) = 0

reward task = text.ends_with(y.text, problems.answer)
reward monitor = where(text.contains(y.text, "!"), -1, 0)

let total = lagrangian(task, monitor, multiplier)

let advantage = normalize(total, per: prompt, guard: 1e-4)

multiplier <- dual_ascent(multiplier, -mean(monitor), eta)

## The task reward and the constraint's, by its multiplier.
fn lagrangian(task: Real, constraint: Real, weight: Real) -> Real = task + weight * constraint

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective constrained for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
  minimize kl: beta * mean(k3(actor, ref, y))
}

train {
  stage imitation {
    repeat warm {
      draw 32 rows
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage constrained {
    repeat steps {
      draw prompts prompts
      update actor with constrained {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a violation of 0.5 moves the multiplier from 0 to 0.05 to 0.1, none leaves it" {
  let monitor = [-1, 0] @ sample
  let once = dual_ascent(0, -mean(monitor), 0.1)
  expect once == 0.05 within 1e-12
  expect dual_ascent(once, -mean(monitor), 0.1) == 0.1 within 1e-12
  expect dual_ascent(once, 0, 0.1) == 0.05 within 1e-12
}

test "with multiplier 0 it is the unconstrained reward" {
  let task = [1, 0] @ sample
  expect lagrangian(task, [-1, 0] @ sample, 0) == task
}

## SRPO (VLA): failed trajectories are paid by how near they came to those of the same batch that succeeded.
## Paper: "SRPO: Self-Referential Policy Optimization for Vision-Language-Action Models" (2025).
##
## Trajectories are embedded by a frozen world model. The successes of a task are clustered; a failure earns up to 0.6 by the
## distance to the nearest centre, scaled within the group's failures: `0.6 sigmoid(10 (0.5 - d))`. Tasks without a success, and
## trajectories without an embedding, earn nothing. Tasks are kept whose success rate lies in 0.1 .. 0.9; the rest is GRPO with ratio
## in 0.8 .. 1.28.
## The paper: DBSCAN with radius 0.5 and 2 members on standardised embeddings, their mean where there is no cluster.
## Stands in: a trajectory is a walk of letters that is planned at once, not step by step in an environment; the embedding is
## where the walk ends.

import std.surrogate (clipped)

param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data tasks from python("tasks.walks:tasks", count: 256) {
  task: Text
  goal: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("lrud123>"))

rollout y ~ actor(tasks.task) { samples: samples, max_tokens: 5 }

extern fn reaches(text: Text, goal: Text) -> Real in {0, 1} = python("tasks.walks:reaches")
extern fn distance(text: Text, task: Text, success: Real) -> Real in [0, inf) = python(
  "tasks.walks:distances"
) { call: batch }

reward success = reaches(y.text, tasks.goal)

let far = distance(y.text, tasks.task, success)

reward total = self_referential(far, success)

let rate = mean(success, per: prompt)
let kept = rate >= 0.1 and rate <= 0.9
let advantage = normalize(total, per: prompt, guard: 1e-4)

## 1 for a success; for a failure by its distance from the successes, scaled within the failures of the group.
fn self_referential(distance: Real @ sample, success: Real @ sample) -> Real @ sample = {
  let failed = success < 1
  let nearest = min(distance, per: prompt, where: failed)
  let width = max(distance, per: prompt, where: failed) - nearest
  let scaled = where(width > 0, (distance - nearest) / max(width, 1e-9), 0.5)
  let earned = where(any(success > 0, per: prompt), 0.6 * sigmoid(10 * (0.5 - scaled)), 0)
  where(failed, earned, 1)
}

objective srpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28), where: kept)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with srpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "failures at distances 2, 4 and 6 beside a success" {
  let distance = [2, 4, 6, 0] @ sample
  let success = [0, 0, 0, 1] @ sample
  expect self_referential(distance, success) == [0.5959842893, 0.3, 0.0040157107, 1] within 1e-9
}

test "a single failure earns 0.3, and a group without a success nothing" {
  let distance = [[3, 0], [2, 4]] @ sample
  let success = [[0, 1], [0, 0]] @ sample
  expect self_referential(distance, success) == [[0.3, 1], [0, 0]] within 1e-12
}

test "walks of one task by their distance from the two that succeeded" {
  let walk = [["ru", "ur", "r", "ll"]] @ sample
  let success = [1, 1, 0, 0] @ sample
  expect distance(walk, "11>", success) == [0, 0, 1, 3.1622776602] within 1e-9
}

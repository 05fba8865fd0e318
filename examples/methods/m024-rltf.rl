## OpenAGI RLTF: a chain of models is written, run on a task, and rewarded by how well the task came out.
## Paper: Ge et al. 2023, "OpenAGI: When LLM Meets Domain Experts".
##
## The model writes the names of expert models in order; the chain is run and its outcome measured by the task's own metric
## (similarity of pictures or of texts). A chain that cannot be run is worth -1, and is not run. REINFORCE over the whole
## chain, `(reward - baseline) log p`.
## The paper: metrics in [0, 1]; the baseline of the released code is a constant 0 that is never updated.
## Stands in: letters for models, a comparison with the best chain for the metric.

import std.policy_gradient (reinforce)

param baseline: Real in [-1, 1] = 0
param samples: Int in [1, 64] = 1
param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 40

data tasks from python("tasks.pipelines:tasks", count: 512) {
  task: Text
  best: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("cqtu23>"))

rollout y ~ actor(tasks.task) { samples: samples, max_tokens: 4 }

extern fn is_valid(text: Text) -> Real in {0, 1} = python("tasks.pipelines:is_valid")
extern fn metric(text: Text, best: Text) -> Real in [0, 1] = python("tasks.pipelines:metric")

reward outcome = of_chain(is_valid(y.text), metric(y.text, tasks.best))

## The metric of a valid chain, -1 for another.
fn of_chain(valid: Real, metric: Real) -> Real = where(valid > 0, metric, -1)

objective rltf for actor {
  maximize surrogate: mean(reinforce(sum(logp(actor, y), per: sample), outcome - baseline))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with rltf { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "of two options with equal logits and rewards 1 and 0 the expected gradient on the first is a quarter" {
  let logits = live([0, 0] @ sample)
  let log_p = logits - log(sum(exp(logits)))
  let p = frozen(exp(log_p))
  expect gradient(sum(p * reinforce(log_p, [1, 0] @ sample)), of: logits)
    == [0.25, -0.25] within 1e-12
}

test "a chain that names a model twice is worth -1 whatever its metric" {
  expect is_valid("cc") == 0
  expect metric("cc", "cq") == 0
  expect of_chain(is_valid("cc"), metric("cc", "cq")) == -1
  expect of_chain(is_valid("cq"), metric("cq", "cq")) == 1
  expect of_chain(is_valid("qc"), metric("qc", "cq")) == 0
}

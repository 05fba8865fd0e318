## Code against tests: the policy writes the body of a small function, which runs in a process of its own and is worth the share
## of its tests that it passes. The tests run in another process, and what the code prints, raises or breaks decides nothing.

import std.surrogate (clipped)

param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 60

data problems from python("tasks.small_programs:problems", count: 1024) {
  question: Text
  tests:    Json target
}

policy actor from tiny(layers: 2, width: 64, heads: 4, tokenizer: characters("0123456789ab+-*= >"))

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 4 }

let program = text.concat("def f(a, b):\n  return ", y.text)

reward passed =
  verify.tests(program, problems.tests, isolate: process, from: whole, score: share, timeout: 5s)

let advantage = (passed - mean(passed, per: prompt)) / (std(passed, per: prompt) + 1e-4)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28))
  maximize entropy: 0.003 * mean(entropy(actor, y))
}

eval heldout on unseen { greedy: true, samples: 1, rows: 32 report mean(passed) }

data unseen from python("tasks.small_programs:problems", count: 32, seed: 1) {
  question: Text
  tests:    Json target
}

train {
  repeat steps {
    draw prompts prompts
    update actor with grpo { minibatch: 8 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    every 20 { evaluate heldout }
  }
}

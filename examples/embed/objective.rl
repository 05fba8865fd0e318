## GRPO for a training loop of your own: the loop hands over `advantage` and `y.logp`, and calls the objective.

import std.surrogate (clipped)

data prompts from jsonl("prompts.jsonl") { text: Text }

policy actor from hf("any/causal-lm")

rollout y ~ actor(prompts.text) { samples: 8, max_tokens: 12, temperature: 1.0 }

extern fn judge(answer: Text) -> Real in [0, 1] = python("rewards:judge")

reward total = judge(y.text)
let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective grpo for actor {
  maximize surrogate: mean(clipped(exp(logp(actor, y) - y.logp), advantage, 0.8 .. 1.28))
  maximize bonus:     0.003 * mean(entropy(actor, y))
}

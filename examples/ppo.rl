## PPO with a critic: GAE, the KL penalty in the reward, clipped policy and value losses.
## Schulman et al. 2017; Ouyang et al. 2022 for the penalty.

import std.surrogate (clipped)
import std.divergence (k1)
import std.advantage (gae)
import std.value (clipped_value_loss)

param prompts: Int in [1, 4096] = 32
param steps: Int in [1, 100000] = 60

data problems from python("tasks.sort_letters:problems", count: 4096, letters: 3) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 5, temperature: 1.0 }

reward correct = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
reward total = 0.5 * correct + 0.5 * places

let r = at_last(total, y) - 0.001 * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(r, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

objective ppo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
  maximize entropy: 0.003 * mean(entropy(actor, y))
}

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

eval heldout on unseen { greedy: true, samples: 1, rows: 256 report mean(correct) }

data unseen from python("tasks.sort_letters:problems", count: 256, letters: 3, seed: 1) {
  question: Text
  answer:   Text target
}

train {
  repeat steps {
    draw prompts prompts
    update actor with ppo { minibatch: 16 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    update v with values { minibatch: 16 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    every 20 { evaluate heldout }
  }
}

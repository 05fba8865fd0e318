## GSPO: one ratio for the whole answer, clipped tightly.
## Zheng et al. 2025, "Group Sequence Policy Optimization", equations 5 to 7.

import std.surrogate (clipped, sequence_ratio)

param prompts: Int in [1, 4096] = 32
param steps: Int in [1, 100000] = 60

data problems from python("tasks.sort_letters:problems", count: 4096, letters: 2) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4, temperature: 1.0 }

reward correct = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
reward total = 0.5 * correct + 0.5 * places

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective gspo for actor {
  let ratio = sequence_ratio(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.97 .. 1.04))
}

eval heldout on unseen { greedy: true, samples: 1, rows: 256 report mean(correct) }

data unseen from python("tasks.sort_letters:problems", count: 256, letters: 2, seed: 1) {
  question: Text
  answer:   Text target
}

train {
  repeat steps {
    draw prompts prompts
    update actor with gspo { minibatch: 16 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    every 20 { evaluate heldout }
  }
}

## Dr. GRPO: no division by the group's std, a constant instead of the answer's length.
## Liu et al. 2025, "Understanding R1-Zero-Like Training".

import std.surrogate (clipped)
import std.advantage (centre)
import std.aggregate (constant_length)

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

let advantage = centre(total, per: prompt)

objective dr_grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: constant_length(clipped(ratio, advantage, 0.8 .. 1.2), 4)
}

eval heldout on unseen { greedy: true, samples: 1, rows: 256 report mean(correct) }

data unseen from python("tasks.sort_letters:problems", count: 256, letters: 2, seed: 1) {
  question: Text
  answer:   Text target
}

train {
  repeat steps {
    draw prompts prompts
    update actor with dr_grpo {
      minibatch: 16 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
    every 20 { evaluate heldout }
  }
}

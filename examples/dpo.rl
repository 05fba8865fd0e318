## DPO: a preference loss over pairs, with the policy as its own reward model.
## Rafailov et al. 2023, "Direct Preference Optimization", equation 7.

import std.preference (dpo, implicit_reward)

param steps: Int in [1, 100000] = 150
param beta: Real in (0, 10] = 0.1

data pairs from python("tasks.sort_letters:pairs", count: 4096, letters: 3) {
  prompt:   Text
  chosen:   Text
  rejected: Text
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))
policy ref = frozen(actor)

response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt

objective preference for actor {
  let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)
  minimize loss: mean(dpo(margin, beta))
}

train {
  repeat steps {
    draw 64 rows
    update actor with preference {
      minibatch: 64 rows
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

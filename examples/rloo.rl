## RLOO: REINFORCE on whole answers with a leave-one-out baseline, and the KL penalty in the reward.
## Ahmadian et al. 2024, "Back to Basics".

import std.advantage (leave_one_out)
import std.divergence (k1)

param prompts: Int in [1, 4096] = 32
param steps: Int in [1, 100000] = 60

data problems from python("tasks.sort_letters:problems", count: 4096, letters: 2) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4, temperature: 1.0 }

reward correct = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
reward total = 0.5 * correct + 0.5 * places
reward penalised = total - 0.001 * sum(k1(actor, ref, y), per: sample)

let advantage = leave_one_out(penalised, per: prompt)

objective rloo for actor {
  maximize reinforce: mean(advantage * sum(logp(actor, y), per: sample))
}

eval heldout on unseen { greedy: true, samples: 1, rows: 256 report mean(correct) }

data unseen from python("tasks.sort_letters:problems", count: 256, letters: 2, seed: 1) {
  question: Text
  answer:   Text target
}

train {
  repeat steps {
    draw prompts prompts
    update actor with rloo { minibatch: 32 prompts, optimizer: adamw(lr: 5e-4), clip_gradient: 1.0 }
    every 20 { evaluate heldout }
  }
}

## Rewards from an embedder of texts: an answer is to be more like the right one than like the letters as they were asked for. The
## embedder is random and knows nothing of letters, so the policy finds texts that it likes and that are wrong: the reward rises,
## what is held out does not, and `watch/near/drift` says so. How far the answers of a group are apart is watched beside it.

import std.contrast (contrast, majority_share, novelty)
import std.surrogate (clipped)
import std.watch (at_start, moved)

param prompts: Int in [1, 4096] = 32
param steps: Int in [1, 100000] = 60

data problems from python("tasks.sort_letters:problems", count: 4096, letters: 2) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))

# Its characters are also those of `<pad>` and `<eos>`, which a policy that knows nothing writes.
embedder enc from tiny(
  layers: 1,
  width: 64,
  heads: 2,
  initial: 0.2,
  tokenizer: characters("abcdefgh<>pos")
) { pooling: last }

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4, temperature: 1.0 }

reward near = contrast(enc, y.text, toward: problems.answer, away: problems.question)
reward correct held out = verify.equal(y.text, problems.answer)
reward fresh held out = novelty(similarity(enc, y.text, others(y.text, per: prompt))) else 0

let sure = majority_share(y.text, per: prompt)
let advantage = (near - mean(near, per: prompt)) / (std(near, per: prompt) + 1e-4)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28))
  maximize entropy: 0.003 * mean(entropy(actor, y))
}

state near_first: Real = 0
near_first <- at_start(mean(near), near_first)

guard moved(near, at_start(mean(near), near_first), 0.1) < 2 or mean(correct) > 0.1 else warn
guard mean(sure) < 0.99 else stop

train {
  repeat steps {
    draw prompts prompts
    update actor with grpo { minibatch: 16 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

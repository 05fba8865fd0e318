## Two reward models that learn from preferences while a policy is trained on the worse of their scores: where one doubts, the other
## is not trusted. What is right is held out: `watch/…` and the guards say when the scores run away from it.
## Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization".

import std.reward_model (bradley_terry)
import std.surrogate (clipped)
import std.watch (at_start, correlation, disagreement, moved)

param prompts: Int in [1, 4096] = 32
param steps: Int in [1, 100000] = 80

data pairs from python("tasks.sort_letters:pairs", count: 4096, letters: 2) {
  prompt:   Text
  chosen:   Text
  rejected: Text
}
data problems from python("tasks.sort_letters:problems", count: 4096, letters: 2) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))
scorer one from tiny(layers: 2, width: 64, heads: 2, seed: 1, tokenizer: characters("abcdefgh>"))
scorer two from tiny(layers: 2, width: 64, heads: 2, seed: 2, tokenizer: characters("abcdefgh>"))

response better = pairs.chosen given pairs.prompt for actor
response worse = pairs.rejected given pairs.prompt for actor

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4, temperature: 1.0 }

let members = each(clip(score(one, y), -10 .. 10), clip(score(two, y), -10 .. 10))

reward worst = min(members, per: sample)
reward correct held out = verify.equal(y.text, problems.answer)

let advantage = (worst - mean(worst, per: prompt)) / (std(worst, per: prompt) + 1e-4)

objective prefer_one for one {
  minimize loss: mean(bradley_terry(score(one, better), score(one, worse)))
}

objective prefer_two for two {
  minimize loss: mean(bradley_terry(score(two, better), score(two, worse)))
}

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28))
  maximize entropy: 0.003 * mean(entropy(actor, y))
}

state worst_first: Real = 0
state correct_first: Real = 0
worst_first <- at_start(mean(worst), worst_first)
correct_first <- at_start(mean(correct), correct_first)

let drift =
  moved(worst, at_start(mean(worst), worst_first), 1)
  - moved(correct, at_start(mean(correct), correct_first), 0.5)

guard disagreement(members, per: sample) < 5 else stop
guard correlation(worst, y.length) < 0.99 else warn
guard drift < 10 else stop

train {
  repeat steps {
    draw 32 rows from pairs
    draw prompts prompts from problems
    update one with prefer_one { optimizer: adamw(lr: 1e-3) }
    update two with prefer_two { optimizer: adamw(lr: 1e-3) }
    update actor with grpo { minibatch: 16 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

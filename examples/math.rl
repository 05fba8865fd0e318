## Sums of fractions, judged by value: `10/12` is as right as `5/6`. Answers in the form of a worked solution are imitated, and those
## that are right and short are reinforced.

import std.shaping (in_form, soft_overlong)
import std.surrogate (clipped)

param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 60

data shown from python("tasks.fractions_of_one:worked", count: 2048) {
  question: Text
  worked:   Text
}
data problems from python("tasks.fractions_of_one:problems", count: 2048) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("0123456789+/="))

response form = shown.worked given shown.question

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8, temperature: 1.0 }

reward written = verify.regex(y.text, "[0-9]+(/[1-9][0-9]*)?", match: whole)
reward right = verify.math(y.text, problems.answer) else 0
reward total = in_form(written, right, 0) + 0.2 * soft_overlong(y.length, 8, 4)
reward lowest held out = verify.equal(y.text, problems.answer)

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective both for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  minimize imitation: -mean(logp(actor, form))
  maximize surrogate: 0.5 * mean(clipped(ratio, advantage, 0.8 .. 1.28))
}

train {
  repeat steps {
    draw 32 rows from shown
    draw prompts prompts from problems
    update actor with both { minibatch: 8 prompts, optimizer: adamw(lr: 2e-3), clip_gradient: 1.0 }
  }
}

## VerIPO: policy gradient, then a verifier that makes pairs of the rollouts, then DPO, in a loop.
## Paper: "VerIPO: Cultivating Long Reasoning in Video-LLMs via Verifier-Guided Iterative Policy Optimization" (2025).
##
## After a stage of GRPO a verifier looks at the rollouts: is the answer right, does it follow from the thinking, does it
## repeat itself? DPO prefers right and consistent answers, longer ones among them, to wrong ones of the same prompt; and it
## prefers a trace that holds a wrong attempt and then its correction to the wrong attempt alone. Of the prompts that are always
## right four in five are dropped before the next round.
## The paper: 8 answers, GRPO lr 1e-6 and 5e-7, DPO beta 0.1, lr 5e-7, batches of 32.
## Stands in: the verifier is a handful of rules; a correction is written by the policy after `!`.

import std.pairing (of_best, of_worst)
import std.preference (dpo, implicit_reward)
import std.surrogate (clipped)

param beta: Real in (0, 10] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 10

data problems from python("tasks.letters:meetings", count: 1024) {
  question: Text
  answer:   Text target
  coin:     Real
}

# an answer may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>!"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }
rollout again ~ actor(y.prompt + y.text + "!") { samples: 1, max_tokens: 4 }

response corrected = y.text + "!" + again.text given problems.question + text.prefix(again.text, 0)

extern fn is_consistent(text: Text) -> Real in {0, 1} = python("tasks.thoughts:is_consistent")
extern fn repeats(text: Text) -> Real in {0, 1} = python("tasks.thoughts:repeats")

reward correct = text.ends_with(y.text, problems.answer)
reward correct_again = text.ends_with(again.text, problems.answer)
reward quality = verified(correct, is_consistent(y.text), repeats(y.text), y.length)

let accuracy = mean(correct, per: prompt)
let advantage = normalize(correct, per: prompt, guard: 1e-4)
let trained = accuracy < 1 or problems.coin < 0.2
let mixed = max(quality, per: prompt) >= 2 and accuracy < 1
let reflects = correct < 1 and first(correct_again, per: prompt) > 0

## Wrong is below 1, right and inconsistent below 2, right and consistent above; then what does not repeat itself, then what is long.
fn verified(correct: Real, consistent: Real, repeats: Real, length: Real) -> Real =
  where(correct > 0, 1 + consistent, 0) + 0.5 * (1 - repeats) + 0.1 * clip(length / 8, 0 .. 1)

objective exploration for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: trained)
}

objective preferences for actor {
  let gain = implicit_reward(actor, ref, y)
  let rollouts = of_best(gain, quality, per: prompt) - of_worst(gain, quality, per: prompt)
  let reflection = implicit_reward(actor, ref, corrected) - spread(gain, to: correct_again)
  minimize rollouts: mean(dpo(rollouts, beta), where: mixed)
  minimize reflection: mean(dpo(reflection, beta), where: reflects)
}

train {
  repeat 2 {
    stage exploration {
      repeat steps {
        draw prompts prompts
        update actor with exploration {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
    reset ref to actor
    stage preferences {
      repeat steps {
        draw prompts prompts
        update actor with preferences {
          minibatch: 4 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "right and consistent is above right, whatever its length, and right above wrong" {
  let consistent = [1, 0, 1] @ sample
  let correct = [1, 1, 0] @ sample
  let repeats = [1, 0, 0] @ sample
  let length = [1, 8, 8] @ sample
  expect verified(correct, consistent, repeats, length) == [2.0125, 1.6, 0.6] within 1e-12
}

test "a prompt whose answers all pass makes no pair" {
  let correct = [[1, 1], [1, 0]] @ sample
  let quality = verified(correct, correct, 0, 4)
  expect (max(quality, per: prompt) >= 2 and mean(correct, per: prompt) < 1) == [0, 1]
}

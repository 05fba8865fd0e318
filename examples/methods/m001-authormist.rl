## AuthorMist: paraphrases that detectors of machine text take for a person's, with the detectors as the reward.
## Paper: David and Gervais 2025, "AuthorMist: Evading AI Text Detectors with Reinforcement Learning".
##
## The reward is 1 less the mean probability that detectors give to the text being machine-made. Nothing in it asks for the
## meaning: the KL to the supervised start alone keeps it. Advantages are GRPO's, over 8 paraphrases of each text.
## The paper: a 3B model after supervised fine-tuning, web services as detectors (one for a run, or several), ratio in
## 0.8 .. 1.2, k3 with 1e-3, lr 5e-6, temperature 0.9.
## Stands in: two small functions for the services. A verdict is asked for once for each text, however often it is used.

import std.surrogate (clipped)
import std.divergence (k3)
import std.supervised (nll_token_mean)

param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 30

data machine from python("tasks.paraphrases:texts", count: 1024) {
  text:       Text
  paraphrase: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abmn>"))
policy ref = frozen(actor)

response shown = machine.paraphrase given machine.text

rollout y ~ actor(machine.text) { samples: samples, max_tokens: 4, temperature: 0.9 }

extern fn by_repetition(text: Text) -> Real in [0, 1] = python("tasks.paraphrases:by_repetition")
extern fn by_letters(text: Text) -> Real in [0, 1] = python("tasks.paraphrases:by_letters")

reward human = unlike_machine(by_repetition(y.text), by_letters(y.text))

let advantage = normalize(human, per: prompt, guard: 1e-4)

## 1 less the mean of two detectors' probabilities.
fn unlike_machine(first: Real, second: Real) -> Real = 1 - (first + second) / 2

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective paraphrase for actor {
  let ratio = exp(logp(actor, y, temperature: 0.9) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: 1e-3 * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  stage imitation {
    repeat warm {
      draw 32 rows
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage detectors {
    repeat steps {
      draw prompts prompts
      update actor with paraphrase {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "detectors that say 0.9 and 0.5 of one text, 0.2 and 0.4 of another" {
  let first = [0.9, 0.2] @ sample
  let second = [0.5, 0.4] @ sample
  let human = unlike_machine(first, second)
  expect human == [0.3, 0.7] within 1e-12
  expect human - mean(human, per: prompt) == [-0.2, 0.2] within 1e-12
}

test "two detectors of one text, each asked once" {
  expect unlike_machine(by_repetition("mmab"), by_letters("mmab")) == 0.5833333333 within 1e-9
}

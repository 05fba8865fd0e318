## OpenVLThinker: rounds of imitation and reinforcement, where each round imitates what the last one learned to write.
## Paper: Deng et al. 2025, "OpenVLThinker: An Early Exploration to Complex Vision-Language Reasoning via Iterative
## Self-Improvement".
##
## The first round imitates traces of another model, later ones verified traces of the round before, without those that repeat
## themselves. Every imitation starts from the base model again; GRPO follows, on problems of medium difficulty, in the last
## round on hard ones. A right answer is worth 1, and half where nothing is said between thought and answer.
## The paper: 3 rounds; ratio in 0.8 .. 1.2. Here words of two letters are medium and of three hard.
## Stands in: words for images, `(…)` and `[…]` for the tags of thought and answer.

import std.supervised (nll_token_mean, rft)
import std.surrogate (clipped)

param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 10

data medium from python("tasks.thinking:problems", count: 1024, letters: 2) {
  question: Text
  answer:   Text target
  trace:    Text
}
data hard from python("tasks.thinking:problems", count: 1024, letters: 3) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd()[]>"))
policy base = frozen(actor)
policy writer = frozen(actor)

response distilled = medium.trace given medium.question

rollout own ~ writer(medium.question) { samples: samples, max_tokens: 8 }
rollout y ~ actor(medium.question) { samples: samples, max_tokens: 8 }
rollout z ~ actor(hard.question) { samples: samples, max_tokens: 8 }

extern fn says(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.thinking:says")
extern fn explains(text: Text) -> Real in {0, 1} = python("tasks.thinking:explains")
extern fn repeats(text: Text) -> Real in {0, 1} = python("tasks.thinking:repeats")

reward verified = says(own.text, medium.answer) * (1 - repeats(own.text))
reward medium_total = graded(says(y.text, medium.answer), explains(y.text))
reward hard_total = graded(says(z.text, hard.answer), explains(z.text))

let medium_advantage = normalize(medium_total, per: prompt, guard: 1e-4)
let hard_advantage = normalize(hard_total, per: prompt, guard: 1e-4)

## 1 for a right answer, less a half where nothing leads from the thought to it; never below 0.
fn graded(correct: Real, explained: Real) -> Real = max(0, correct - 0.5 * (1 - explained))

objective imitation for actor {
  minimize nll: nll_token_mean(actor, distilled)
}

objective of_own_traces for actor {
  minimize nll: rft(logp(actor, own), verified == 1) else 0
}

objective on_medium for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, medium_advantage, 0.8 .. 1.2), per: sample))
}

objective on_hard for actor {
  let ratio = exp(logp(actor, z) - z.logp)
  maximize surrogate: mean(mean(clipped(ratio, hard_advantage, 0.8 .. 1.2), per: sample))
}

train {
  stage first_imitation {
    repeat warm {
      draw 32 rows from medium
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage first_reinforcement {
    repeat steps {
      draw prompts prompts from medium
      update actor with on_medium {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  reset writer to actor
  reset actor to base
  stage second_imitation {
    repeat warm {
      draw prompts prompts from medium
      update actor with of_own_traces { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage second_reinforcement {
    repeat steps {
      draw prompts prompts from medium
      update actor with on_medium {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  reset writer to actor
  reset actor to base
  stage third_imitation {
    repeat warm {
      draw prompts prompts from medium
      update actor with of_own_traces { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage third_reinforcement {
    repeat steps {
      draw prompts prompts from hard
      update actor with on_hard {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "right and led up to is 1, right without a sentence 0.5, wrong 0" {
  expect graded(says("(a)so[15]", "15"), explains("(a)so[15]")) == 1
  expect graded(says("(a)[15]", "15"), explains("(a)[15]")) == 0.5
  expect graded(says("(a)so[14]", "15"), explains("(a)so[14]")) == 0
  expect graded(says("(a)[14]", "15"), explains("(a)[14]")) == 0
}

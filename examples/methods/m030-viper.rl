## ViPER: a model looks at its own picture of what it saw, says what differs, and learns from how much of it is true.
## Paper: "ViPER: Empowering the Self-Evolution of Visual Perception Abilities in Vision-Language Model" (2025).
##
## A caption is drawn again by a generator; the model describes the differences, sentence by sentence. A sentence is a hit where it
## is near one of the differences that are known; the reward is the share of hits by length, with 5 % for the form. A second stage
## has the model say which operation made one picture out of another.
## The paper: similarity above 0.85, 5 samples, a higher upper bound of the ratio, no KL, every answer counts the same,
## temperature 1, 7K rows and then 3K. The upper bound is not published; DAPO's 1.28 here.
## Stands in: letters for pictures, the cosine of letter counts for the embedding.

import std.surrogate (clipped)

param format_weight: Real in [0, 1] = 0.05
param threshold: Real in [0, 1] = 0.85
param samples: Int in [2, 64] = 5
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 15

data pictures from python("tasks.captions:critiques", count: 512) {
  picture:     Text
  differences: Text target
  trace:       Text
}
data edits from python("tasks.captions:operations", count: 512) {
  picture:   Text
  operation: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123.:>"))

response shown = pictures.trace given pictures.picture

rollout y ~ actor(pictures.picture) { samples: samples, max_tokens: 7 }
rollout z ~ actor(edits.picture) { samples: samples, max_tokens: 2 }

extern fn recalled(text: Text, differences: Text, threshold: Real) -> Real in [0, 1] = python(
  "tasks.captions:recalled"
)

reward named =
  with_format(
    recalled(y.text, pictures.differences, threshold),
    verify.regex(y.text, "([abcd]+[.])+", match: whole),
    format_weight
  )
reward told =
  with_format(
    verify.equal(z.text, edits.operation),
    verify.regex(z.text, "[123]", match: whole),
    format_weight
  )

let named_advantage = normalize(named, per: prompt, guard: 1e-4)
let told_advantage = normalize(told, per: prompt, guard: 1e-4)

## A weighted mean of what is right and of the form.
fn with_format(correct: Real, format: Real, weight: Real) -> Real =
  (1 - weight) * correct + weight * format

objective imitation for actor {
  minimize nll: -mean(logp(actor, shown))
}

objective critique for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, named_advantage, 0.8 .. 1.28), per: sample))
}

objective prediction for actor {
  let ratio = exp(logp(actor, z) - z.logp)
  maximize surrogate: mean(mean(clipped(ratio, told_advantage, 0.8 .. 1.28), per: sample))
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows from pictures
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage critique {
    repeat steps {
      draw prompts prompts from pictures
      update actor with critique {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage prediction {
    repeat steps {
      draw prompts prompts from edits
      update actor with prediction {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "sentences of 10, 20 and 10 letters, of which the first and the last are hits" {
  # the middle one is half b, half c: its cosine with the second reference is 0.71
  let correct =
    recalled("aaaaaaaaaa.bbbbbbbbbbcccccccccc.bbbbbbbbbb.", "aaaaaaaaaa.bbbbbbbbbb.", threshold)
  expect correct == 0.5
  expect with_format(correct, 1, 0.05) == 0.525 within 1e-12
}

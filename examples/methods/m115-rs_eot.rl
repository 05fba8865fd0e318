## RS-EoT: look, ask, look again; then reinforcement on finding a place, and on telling which facts hold.
## Paper: "Asking like Socrates: Socrates helps VLMs understand remote sensing images" (2025).
##
## Three stages. Imitation of dialogues between a reasoner that sees only text and a perceiver that sees only the image, kept
## where a blind verifier reaches the answer. Then grounding: the overlap of boxes, corrected for what a guess would get,
## `(IoU - E) / (1 - E)`, with half the points for the form where the box stands in the thought. Then questions recast as a
## choice of facts, of which some are falsified: the share of facts that are told right.
## The paper: 4K traces for 5 epochs, then GRPO for 2 epochs each, accuracy 0.9 and form 0.1, ratio in 0.8 .. 1.2, lr 1e-6.
## Stands in: digits that name a place for the image, capitals for true facts; the kept dialogues are written by a function.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 1e-3
param format_weight: Real in [0, 1] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 15

data places from python("tasks.boxes:grounding", count: 512) {
  question: Text
  box:      Text target
  trace:    Text
  shortcut: Real
}
data facts from python("tasks.boxes:selection", count: 512) {
  question: Text
  holds:    Text target
}

policy actor from tiny(
  layers: 2,
  width: 48,
  heads: 4,
  tokenizer: characters("01234gm|,abcdABCDyn>")
)
policy ref = frozen(actor)

response shown = places.trace given places.question

rollout y ~ actor(places.question) { samples: samples, max_tokens: 10 }
rollout z ~ actor(facts.question) { samples: samples, max_tokens: 5 }

extern fn iou(text: Text, box: Text) -> Real in [0, 1] = python("tasks.boxes:iou")
extern fn form(text: Text) -> Real in {0, 0.5, 1} = python("tasks.boxes:form")

reward grounded =
  with_format(beyond_chance(iou(y.text, places.box), places.shortcut), form(y.text), format_weight)
reward selected = text.matching_places(z.text, facts.holds)

let place_advantage = normalize(grounded, per: prompt, guard: 1e-4)
let fact_advantage = normalize(selected, per: prompt, guard: 1e-4)

## How far a score is above what a guess expects, as a share of what is left; below 0 for less.
fn beyond_chance(score: Real, expected: Real) -> Real = (score - expected) / (1 - expected)

## A weighted mean of accuracy and form.
fn with_format(accuracy: Real, format: Real, weight: Real) -> Real =
  (1 - weight) * accuracy + weight * format

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective grounding for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, place_advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

objective selection for actor {
  let ratio = exp(logp(actor, z) - z.logp)
  maximize surrogate: mean(mean(clipped(ratio, fact_advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, z), per: sample))
}

train {
  stage imitation {
    repeat warm {
      draw 32 rows from places
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage grounding {
    repeat steps {
      draw prompts prompts from places
      update actor with grounding {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage selection {
    repeat steps {
      draw prompts prompts from facts
      update actor with selection {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "two boxes that share a half of each overlap by a third, and by a sixth beyond chance" {
  # 50 of 150 places; (1/3 - 0.2) / 0.8
  let overlap = iou("x|0,0,10,10", "5,0,15,10")
  expect overlap == 0.3333333333 within 1e-9
  expect beyond_chance(overlap, 0.2) == 0.1666666667 within 1e-9
}

test "three facts of four are worth 0.75, and yes to all a half where half hold" {
  expect text.matching_places("ynyy", "ynyn") == 0.75
  expect text.matching_places("yyyy", "ynyn") == 0.5
}

test "a box in the thought halves the form" {
  expect form("g|1,0,3,2") == 1
  expect form("g1,0,3,2|1,0,3,2") == 0.5
  expect form("g|y") == 0
  expect with_format(1, form("1,0,3,2"), 0.1) == 0.95 within 1e-12
}

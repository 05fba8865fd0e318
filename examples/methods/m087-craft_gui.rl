## CRAFT-GUI: a fixed curriculum of screen tasks, with a reward for the type of an action and one for its argument.
## Paper: "CRAFT-GUI: Curriculum-Reinforced Agent For GUI Tasks" (2025).
##
## Data are sorted by difficulty once and trained easy to hard, each stage going on from the last; questions about the screen
## join in the last stage. An operation earns a share for the right type of action and one for its argument (a tap inside the
## target's box, the right direction); an answer to a question earns what a judge says. With one bucket it is plain GRPO.
## The paper's weights are not published; here format counts 0.2, type and argument 0.5 each of the rest.
## Stands in: screens are short texts, and the judge, which compares with a reference answer, a small function.

import std.surrogate (clipped)
import std.divergence (k3)

param format_weight: Real in [0, 1] = 0.2
param type_weight: Real in [0, 1] = 0.5
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 20

data easy from python("tasks.screens:screens", count: 512, taps: false) {
  screen: Text
  kind:   Text
  target: Text target
}
data hard from python("tasks.screens:screens", count: 512, taps: true, questions: true) {
  screen: Text
  kind:   Text
  target: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("0123tsudqyn.>"))
policy ref = frozen(actor)

rollout y ~ actor(easy.screen) { samples: samples, max_tokens: 4 }
rollout z ~ actor(hard.screen) { samples: samples, max_tokens: 4 }

extern fn is_formed(text: Text) -> Real in {0, 1} = python("tasks.screens:is_formed")
extern fn is_same_type(text: Text, target: Text) -> Real in {0, 1} = python(
  "tasks.screens:is_same_type"
)
extern fn argument(text: Text, target: Text) -> Real in {0, 1} = python("tasks.screens:argument")
extern fn judge(text: Text, target: Text) -> Real in [0, 1] = python("tasks.screens:judge")

reward easy_score =
  operation(is_same_type(y.text, easy.target), argument(y.text, easy.target), type_weight)
reward hard_score =
  where(
    text.equal(hard.kind, "operation"),
    operation(is_same_type(z.text, hard.target), argument(z.text, hard.target), type_weight),
    judge(z.text, hard.target)
  )
reward easy_total = with_format(easy_score, is_formed(y.text), format_weight)
reward hard_total = with_format(hard_score, is_formed(z.text), format_weight)

let easy_advantage = normalize(easy_total, per: prompt, guard: 1e-4)
let hard_advantage = normalize(hard_total, per: prompt, guard: 1e-4)

## `weight` for the type, the rest for the argument; the argument of an action of another type is worth nothing.
fn operation(type_right: Real, argument: Real, weight: Real) -> Real =
  type_right * (weight + (1 - weight) * argument)

## A weighted mean of a score and of the format.
fn with_format(score: Real, format: Real, weight: Real) -> Real =
  weight * format + (1 - weight) * score

objective first for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, easy_advantage, 0.8 .. 1.2))
  minimize kl: 0.001 * mean(k3(actor, ref, y))
}

objective second for actor {
  let ratio = exp(logp(actor, z) - z.logp)
  maximize surrogate: mean(clipped(ratio, hard_advantage, 0.8 .. 1.2))
  minimize kl: 0.001 * mean(k3(actor, ref, z))
}

train {
  stage easy {
    repeat steps {
      draw prompts prompts
      update actor with first {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage hard {
    repeat steps {
      draw prompts prompts
      update actor with second {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a tap in the box scores 1, outside it the share of its type, another action 0" {
  let type_right = [1, 1, 0] @ sample
  let argument = [1, 0, 0] @ sample
  expect operation(type_right, argument, 0.5) == [1, 0.5, 0]
}

test "format is a share of the whole" {
  expect with_format(0.5, 1, 0.2) == 0.6 within 1e-12
}

test "of a tap at column 3 and row 1, texts that tap there, beside it, far away, and scroll" {
  let said = ["t31", "t20", "t13", "su."] @ sample
  let score = operation(is_same_type(said, "t31"), argument(said, "t31"), 0.5)
  expect score == [1, 1, 0.5, 0]
}

## FARE: an evaluator that imitates those of its own judgements that came out right, round after round.
## Paper: "Foundational Automatic Evaluators: Scaling Multi-Task Generative Evaluator Training for Reasoning-Centric Domains" (2025).
##
## Iterative rejection sampling: the last round's model judges each item several times; of the judgements whose verdict is the
## label one is kept for each item, and its negative log-likelihood is trained, mixed with items that are judged directly. No
## ratio, no baseline, no KL. An item without a right judgement teaches nothing.
## The paper: 2.5M items of five kinds (pairs, wrong steps, with and without a reference, single ratings), models of 8B and 20B.
## Here one kind, and rounds of a few draws. The weight of direct items is not published; 1 here.

import std.supervised (nll_token_mean)

param direct_weight: Real in [0, 10] = 1
param samples: Int in [1, 64] = 8
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 10
param steps: Int in [1, 100000] = 15

data items from python("tasks.verdicts:pairs", count: 1024) {
  item:  Text
  label: Text
  trace: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abc12:>"))
policy last = frozen(actor)

response shown = items.trace given items.item
response direct = items.label given items.item

rollout y ~ last(items.item) { samples: samples, max_tokens: 4 }

extern fn is_right(text: Text, label: Text) -> Real in {0, 1} = python("tasks.verdicts:is_right")

reward right = is_right(y.text, items.label)

let accepted = first_accepted(right)

## The first accepted of each group; none where nothing is accepted.
fn first_accepted(right: Real @ sample) -> Bool @ sample = top(right, 1, per: prompt) and right > 0

## The sum of answers' log-probabilities that were accepted, over the answers that were drawn.
fn accepted_mean(log_p: Real @ token, accepted: Bool @ sample) -> Real =
  mean(where(accepted, sum(log_p, per: sample), 0))

objective cold_start for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective imitation for actor {
  minimize judged: -accepted_mean(logp(actor, y), accepted)
  minimize direct: direct_weight * nll_token_mean(actor, direct)
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update actor with cold_start { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  repeat 2 {
    reset last to actor
    stage round {
      repeat steps {
        draw prompts prompts
        update actor with imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      }
    }
  }
}

test "of three right judgements the first is kept, of none none" {
  let right = [[0, 1, 1, 1], [0, 0, 0, 0]] @ sample
  expect first_accepted(right) == [[0, 1, 0, 0], [0, 0, 0, 0]]
}

test "with reward 0 or 1 the gradient is the mean of the accepted ones' likelihood alone" {
  let log_p = live([[-1, -2], [-0.5], [-3]] @ token)
  let right = [0, 1, 0] @ sample
  expect gradient(-accepted_mean(log_p, first_accepted(right)), of: log_p)
    == [[0, 0], [-0.3333333333], [0]] within 1e-9
  expect gradient(-accepted_mean(log_p, first_accepted([0, 0, 0] @ sample)), of: log_p)
    == [[0, 0], [0], [0]]
}

test "an evaluation is right by its verdict alone" {
  expect is_right(["a1", "b2", "12", "a"] @ sample, "1") == [1, 0, 0, 0]
}

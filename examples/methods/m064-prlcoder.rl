## PRLCoder: PPO on programs that a process reward model scores line by line.
## Paper: Ye et al. 2025, "Process-Supervised Reinforcement Learning for Code Generation".
##
## Each line's score stands at its last token, less a KL to the supervised model at every token; PPO with a critic. With all scores 0
## but the last it is PPO with an outcome reward. The process reward model is a classifier of prefixes that end a line; its
## labels come from programs in which a teacher changed one line, and a compiler with tests said whether the line still works.
## The paper: supervised model, then process reward model, then PPO; it writes the old policy in the place of the reference.
## Here a line is a letter and `|`, the labels come from a rule, and the KL's coefficient is 0.05.

import std.divergence (k1)
import std.returns (gae, returns)
import std.reward_model (stepwise_prm_loss)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param beta: Real in [0, 1] = 0.05
param samples: Int in [1, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data programs from python("tasks.steps:programs", count: 1024) {
  question: Text
  solution: Text
  changed:  Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|>"))
policy ref = frozen(actor)
scorer prm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|>"))
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|>"))

response shown = programs.solution given programs.question
response labelled = programs.changed given programs.question

rollout y ~ actor(programs.question) { samples: samples, max_tokens: 6 }

extern fn ends_line(text: Text, token: Int) -> Bool = python("tasks.steps:ends_line")
extern fn still_works(text: Text, token: Int, question: Text) -> Real in {0, 1} = python(
  "tasks.steps:still_works"
)

let label =
  where(
    ends_line(programs.changed, position(labelled)),
    still_works(programs.changed, position(labelled), programs.question),
    absent
  )

let line_score = sigmoid(score(prm, y, per: token))
let each = at_line_ends(line_score, ends_line(y.text, position(y))) - beta * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(each, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

reward total = sum(at_line_ends(line_score, ends_line(y.text, position(y))), per: sample)

## A score at the last token of each line, 0 elsewhere.
fn at_line_ends(score: Real @ token, ends: Bool @ token) -> Real @ token = where(ends, score, 0)

objective supervised for actor {
  minimize nll: nll_token_mean(actor, shown)
}
objective process for prm {
  minimize loss: stepwise_prm_loss(score(prm, labelled, per: token), label)
}
objective ppo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}
objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage process {
    repeat warm {
      draw 32 rows
      update prm with process { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage ppo {
    repeat steps {
      draw prompts prompts
      update actor with ppo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "three lines scored 1, 0 and 1 are paid at their ends, and return 2" {
  let ends = [0, 1, 0, 0, 1, 1] @ token
  let score = [0.5, 1, 0.5, 0.5, 0, 1] @ token
  let each = at_line_ends(score, ends > 0)
  expect each == [0, 1, 0, 0, 0, 1]
  expect first(returns(each, 1)) == 2
}

test "with the last line's score alone it is an outcome reward" {
  let ends = [0, 1, 1] @ token
  expect at_line_ends([0.3, 0, 0.8] @ token, ends > 0) == [0, 0, 0.8]
}

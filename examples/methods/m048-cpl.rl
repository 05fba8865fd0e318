## CPL: preferences of segments of behaviour as preferences of regret, so that no reward and no value is learned.
## Paper: Hejna et al. 2023, "Contrastive Preference Learning: Learning from Human Feedback without RL".
##
## A segment's score is `alpha` times the sum of its log-probabilities; the loss is that of a logistic choice between the
## preferred score and `bias` times the other. A bias below 1 keeps the policy near the data. The policy first clones behaviour.
## The paper: alpha 0.1, bias 0.5 (dense images) to 1, segments of 64 steps; it discounts by gamma^t, the authors' code does
## not: `discount` 1. With log-ratios in the place of log-probabilities, alpha 0.2 and bias 0.75 it has a reference; with bias 1
## and one step that is DPO. Here segments have 6 steps of two actions; the paper's continuous actions are not of this language.

import std.reference_free (cpl, segment_score)
import std.supervised (nll_token_mean)

param alpha: Real in (0, 1] = 0.1
param bias: Real in (0, 1] = 0.5
param discount: Real in (0, 1] = 1
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 30

data clips from python("tasks.segments:shown", count: 1024) {
  state:   Text
  actions: Text
}
data pairs from python("tasks.segments:preferred", count: 1024) {
  state:  Text
  better: Text
  worse:  Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("rlxz>"))

response demonstration = clips.actions given clips.state
response win = pairs.better given pairs.state
response lose = pairs.worse given pairs.state

objective cloning for actor {
  minimize nll: nll_token_mean(actor, demonstration)
}

objective preference for actor {
  let preferred = segment_score(logp(actor, win), alpha, discount)
  let other = segment_score(logp(actor, lose), alpha, discount)
  minimize loss: mean(cpl(preferred, other, bias))
}

train {
  stage cloning {
    repeat warm {
      draw 32 rows
      update actor with cloning { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage preferences {
    repeat steps {
      draw 32 rows
      update actor with preference { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "scores -0.2 and -0.6 under bias 0.5 and 1" {
  # -log sigmoid(-0.2 + 0.3), -log sigmoid(-0.2 + 0.6)
  expect cpl(-0.2, -0.6, 0.5) == 0.6443966601 within 1e-9
  expect cpl(-0.2, -0.6, 1) == 0.5130152524 within 1e-9
}

test "two segments of one score are a toss-up without bias" {
  expect cpl(-0.4, -0.4, 1) == 0.6931471806 within 1e-9
}

test "a score is alpha times the summed log-probability" {
  let log_p = [[-1, -0.5, -0.5], [-6]] @ token
  expect segment_score(log_p, 0.1, 1) == [-0.2, -0.6] within 1e-12
}

## PRefLexOR: ORPO on whole answers first, then a pairwise loss on what follows the thinking alone.
## Paper: Buehler 2024, "PRefLexOR: Preference-based Recursive Language Modeling for Exploratory Optimization of Reasoning and
## Agentic Thinking".
##
## Questions are made from chunks of text; the good answer was written with the chunk at hand, the bad one from memory. Stage one
## is ORPO on thinking and answer. Stage two is EXO on pairs, reverse KL to a smoothed label, and sees the log-probabilities of
## what follows the thinking only: the thinking stands in the prompt of the response, so that it is read and not trained.
## The paper: ORPO weight 0.1, EXO beta 0.1 with labels smoothed by about 1e-3, fresh pairs from about 50 topics every few steps; a share
## of the thinking may be kept in the loss. Here the pairs are made beforehand, from a few letters. At inference two copies of
## the model draft and criticise in turn.

import std.preference (exo, implicit_reward)
import std.reference_free (orpo)

param weight: Real in [0, 10] = 0.1
param beta: Real in (0, 10] = 0.1
param smoothing: Real in (0, 0.5) = 1e-3
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 30

data pairs from python("tasks.chunks:pairs", count: 1024) {
  question:      Text
  good_thinking: Text
  good:          Text
  bad_thinking:  Text
  bad:           Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|>"))
policy ref = frozen(actor)

response win = pairs.good_thinking + pairs.good given pairs.question
response lose = pairs.bad_thinking + pairs.bad given pairs.question

# the answers alone, each after its own thinking
response win_answer = pairs.good given pairs.question + pairs.good_thinking
response lose_answer = pairs.bad given pairs.question + pairs.bad_thinking

objective structure for actor {
  let chosen = mean(logp(actor, win), per: sample)
  let rejected = mean(logp(actor, lose), per: sample)
  minimize loss: mean(orpo(chosen, rejected, weight))
}

objective reasoning for actor {
  let margin = implicit_reward(actor, ref, win_answer) - implicit_reward(actor, ref, lose_answer)
  minimize loss: mean(exo(margin, beta, smoothing))
}

train {
  stage structure {
    repeat warm {
      draw 32 rows
      update actor with structure { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage reasoning {
    repeat steps {
      draw 32 rows
      update actor with reasoning { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "at margin 0 and a label smoothed by 0.001" {
  expect exo(0, 0.1, 1e-3) == 2.7612307091 within 1e-9
}

test "the loss is 0 where the preference is the smoothed label" {
  # ln 999 = 6.9067547786, by beta 0.1
  expect exo(69.067547786, 0.1, 1e-3) == 0 within 1e-9
}

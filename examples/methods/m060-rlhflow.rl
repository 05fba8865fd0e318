## Online iterative RLHF (RLHFlow): a reward model, then DPO on the best and worst of the policy's own answers, again and again.
## Paper: Dong et al. 2024, "RLHF Workflow: From Reward Modeling to Online RLHF".
##
## A Bradley-Terry reward model is fitted to preferences. Then, iteration by iteration, the last iterate draws answers, the reward
## model names the best and the worst of each prompt, and DPO against that iterate is trained on the pairs. An answer may
## lose `penalty` for each token, so that length does not pay.
## The paper: three iterations of 20K prompts, 4 answers at temperature 1 in the released loop, beta 0.1, optionally a share of
## 0.1 of labels taken as flipped, lr 5e-7 with a cosine, reference and start both the last iterate. Here: three iterations of
## a few draws.

import std.pairing (is_apart, of_best, of_worst)
import std.preference (dpo_smoothed, implicit_reward)
import std.reward_model (bradley_terry)

param beta: Real in (0, 10] = 0.1
param smoothing: Real in [0, 0.5) = 0
param penalty: Real in [0, 1] = 0
param samples: Int in [2, 64] = 4
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 8

data pairs from python("tasks.letters:preferences", count: 1024) {
  question: Text
  chosen:   Text
  rejected: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy last = frozen(actor)
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response win = pairs.chosen given pairs.question
response lose = pairs.rejected given pairs.question

rollout y ~ last(pairs.question) { samples: samples, max_tokens: 4, temperature: 1.0 }

reward quality = score(rm, y) - penalty * y.length

let differ = is_apart(quality, 0, per: prompt)

objective preferences for rm {
  minimize loss: mean(bradley_terry(score(rm, win), score(rm, lose)))
}

objective iterate for actor {
  let gain = implicit_reward(actor, last, y)
  let margin = of_best(gain, quality, per: prompt) - of_worst(gain, quality, per: prompt)
  minimize loss: mean(dpo_smoothed(margin, beta, smoothing), where: differ)
}

train {
  stage reward_model {
    repeat warm {
      draw 32 rows
      update rm with preferences { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  repeat 3 {
    reset last to actor
    stage iteration {
      repeat steps {
        draw prompts prompts
        update actor with iterate {
          minibatch: 8 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "of rewards 0.1, 0.9, -0.3, 0.4 the second and the third make the pair" {
  let quality = [0.1, 0.9, -0.3, 0.4] @ sample
  let place = [0, 1, 2, 3] @ sample
  expect of_best(place, quality, per: prompt) == [1]
  expect of_worst(place, quality, per: prompt) == [2]
}

test "where the policy has not moved the loss is ln 2, smoothed or not" {
  expect dpo_smoothed(0, 0.1, 0) == 0.6931471806 within 1e-9
  expect dpo_smoothed(0, 0.1, 0.1) == 0.6931471806 within 1e-9
}

test "a prompt whose answers are all worth the same makes no pair" {
  expect is_apart([0.4, 0.4] @ sample, 0, per: prompt) == [0]
}

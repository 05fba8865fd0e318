## CoPG: a policy gradient that is a regression, on answers from any policy, without ratio, clip or value.
## Paper: Flet-Berliac et al. 2024, "Contrastive Policy Gradient: Aligning LLMs on sequence-level scores in a
## supervised-friendly fashion".
##
## The reward of an answer less beta times its log-ratio is the same for all answers to a prompt exactly where the policy is
## the optimum of the KL-regularised problem. The loss is the squared difference over all pairs of a prompt. Where the answers
## came from does not enter: here the frozen start writes them all, as an offline log would. With the policy's own answers
## the gradient is RLOO's; with a constant gap of rewards on preference pairs it is IPO.
## The paper: beta 0.03 to 0.1 (scaled to the reward), pairs of two answers, a reward model.
## Stands in: a verifier for the reward model.

import std.preference (implicit_reward, ipo)
import std.regression (copg, copg_group, regularized_reward)

param beta: Real in (0, 10] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [1, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout y ~ ref(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

objective contrastive for actor {
  let regularised = regularized_reward(correct, implicit_reward(actor, ref, y), beta)
  minimize loss: mean(copg_group(regularised)) / (2 * beta)
}

train {
  repeat steps {
    draw prompts prompts
    update actor with contrastive {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

test "of two arms with rewards 1 and 0, beta 1/2 and an even reference, the optimum has 0.8808" {
  # sigmoid(2) = 0.8807970780; the log-ratios against 1/2 are log_sigmoid(2) + ln 2 and log_sigmoid(-2) + ln 2
  let log_ratio = live([0.566219169516973, -1.433780830483027] @ sample)
  let loss = mean(copg_group(regularized_reward([1, 0] @ sample, log_ratio, 0.5)))
  expect exp(log_ratio) / 2 == [0.8807970780, 0.1192029220] within 1e-9
  expect loss == 0 within 1e-9
  expect gradient(loss, of: log_ratio) == [0, 0] within 1e-9
}

test "over k answers it is the sum over pairs by k - 1" {
  # 1, 0, 0.5: (1 + 0.25 + 0.25) / 2
  expect copg_group([1, 0, 0.5] @ sample) == 0.75 within 1e-12
}

test "with a constant gap of rewards it is IPO" {
  # (1 - m / 2)^2 is (m - 2)^2 / 4, and IPO's target 1 / (2 tau) is 2 for tau 1/4
  expect copg(0.7, 1, 0.5) == 0.25 * ipo(0.7, 0.25) within 1e-12
}

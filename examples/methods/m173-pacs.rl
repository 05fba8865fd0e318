## PACS: the verifier's verdict as a label, and the policy's own log-ratio as the logit that predicts it.
## Paper: Li et al. 2025, "Implicit Actor Critic Coupling via a Supervised Learning Framework for RLVR".
##
## An answer's score is its summed log-ratio against the policy that drew it; its logit is the score less the mean score of
## the other answers to the prompt, and the gradient goes through that baseline. A cross-entropy against right or wrong trains
## actor and critic in one. Classes are weighted so that right and wrong answers of a prompt count the same in sum.
## The members of a group meet before any gradient is known: `rldsl explain` gives the coupling level prompt.
## The paper: beta 1, 8 answers, 1024 prompts of which 256 make an update batch, lr 1e-6, no KL, no entropy bonus.

import std.advantage (leave_one_out)
import std.group (class_weight)
import std.value (logit_value_loss)

param beta: Real in (0, 10] = 1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let weight = class_weight(correct, per: prompt)

objective pacs for actor {
  let score = beta * sum(logp(actor, y) - y.logp, per: sample)
  let logit = leave_one_out(score, per: prompt)
  minimize loss: mean(weight * logit_value_loss(logit, correct))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with pacs { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "where the policy has not moved every logit is 0 and the loss is ln 2" {
  let score = [0, 0, 0] @ sample
  let correct = [1, 0, 0] @ sample
  expect logit_value_loss(leave_one_out(score, per: prompt), correct)
    == [0.6931471806, 0.6931471806, 0.6931471806] within 1e-9
}

test "scores 0.2 and -0.2 of a right and a wrong answer" {
  let score = [0.2, -0.2] @ sample
  let correct = [1, 0] @ sample
  let logit = leave_one_out(score, per: prompt)
  expect logit == [0.4, -0.4] within 1e-12
  expect mean(class_weight(correct, per: prompt) * logit_value_loss(logit, correct))
    == 0.5130152524 within 1e-9
}

test "two right answers of eight weigh 2, six wrong ones 2/3" {
  let correct = [1, 1, 0, 0, 0, 0, 0, 0] @ sample
  let weight = class_weight(correct, per: prompt)
  expect max(weight) == 2
  expect min(weight) == 0.6666666667 within 1e-9
  expect class_weight([1, 1, 1, 1, 1, 1, 1, 1] @ sample, per: prompt) == [1, 1, 1, 1, 1, 1, 1, 1]
}

test "the gradient goes through the baseline" {
  # d loss / d s1 = (sigmoid(l1) - 1) - (sigmoid(l2) - 0) at logits 0.4 and -0.4, halved by the mean
  let score = live([0.2, -0.2] @ sample)
  let loss = mean(logit_value_loss(leave_one_out(score, per: prompt), [1, 0] @ sample))
  expect gradient(loss, of: score) == [-0.4013123399, 0.4013123399] within 1e-9
}

## RLBFF: feedback as yes or no to a principle, and a reward model that says how much likelier yes is.
## Paper: Wang et al. 2025, "RLBFF: Binary Flexible Feedback to bridge between Human Feedback & Verifiable Rewards".
##
## Written feedback is turned into principles with a yes or no. The reward of an answer under a principle is the difference of
## two log-probabilities at one token, `log p(Yes) - log p(No)`; the reward model is fitted by the cross-entropy of that token
## on one answer at a time. The policy is then trained by GRPO on the reward under each prompt's own principle, which it does
## not see. With the one principle "is correct" and hard answers it is reinforcement from verifiable rewards.
## The paper: 33K of 1.2M triples are kept (evidence found in the text, other annotators agree); a reasoning reward model besides,
## trained by GRPO on the same labels.
## Here principles are `s` (names the smallest letter) and `f` (names the first).

import std.divergence (k3)
import std.surrogate (clipped)
import std.value (logit_value_loss)

param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 40
param steps: Int in [1, 100000] = 20

data feedback from python("tasks.principles:triples", count: 1024) {
  question:  Text
  answer:    Text
  principle: Text
  yes:       Text
  no:        Text
  label:     Real
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdsfYNp<>/"))
policy ref = frozen(actor)
policy rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdsfYNp<>/"))

# one token each, and the end
response yes = feedback.yes given feedback.question
  + feedback.answer
  + "/"
  + feedback.principle
  + ">" for rm
response no = feedback.no given feedback.question
  + feedback.answer
  + "/"
  + feedback.principle
  + ">" for rm

rollout y ~ actor(feedback.question) { samples: samples, max_tokens: 3 }

# the same question about the policy's own answers
response y_yes = text.prefix(y.text, 0) + "Y" given y.prompt
  + y.text
  + "/"
  + feedback.principle
  + ">" for rm
response y_no = text.prefix(y.text, 0) + "N" given y.prompt
  + y.text
  + "/"
  + feedback.principle
  + ">" for rm

reward quality = preference_logit(logp(rm, y_yes), logp(rm, y_no))

let advantage = normalize(quality, per: prompt, guard: 1e-4)

## By how much yes is likelier than no, at the first token of each.
fn preference_logit(yes: Real @ token, no: Real @ token) -> Real @ sample =
  first(yes, per: sample) - first(no, per: sample)

objective principles for rm {
  let logit = preference_logit(logp(rm, yes), logp(rm, no))
  minimize loss: mean(logit_value_loss(logit, feedback.label))
}

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  stage reward_model {
    repeat warm {
      draw 32 rows
      update rm with principles { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage policy {
    repeat steps {
      draw prompts prompts
      update actor with grpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "logits 2 for yes and 0 for no give a reward of 2 and a loss of log(1 + e^-2)" {
  # log-softmax of 2 and 0
  let yes = [[-0.1269280110, -3]] @ token
  let no = [[-2.1269280110, -3]] @ token
  let logit = preference_logit(yes, no)
  expect logit == [2] within 1e-9
  expect logit_value_loss(logit, 1) == [0.1269280110] within 1e-9
}

test "a principle of the opposite polarity flips the sign" {
  let yes = [[-0.5]] @ token
  let no = [[-1.5]] @ token
  expect preference_logit(no, yes) == -preference_logit(yes, no)
}

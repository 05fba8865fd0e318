## On-policy samples and a negative gradient: two switches that tell methods of preference apart, all four settings side by side.
## Paper: Tajwar et al. 2024, "Preference Fine-Tuning of LLMs Should Leverage Suboptimal, On-Policy Data".
##
## Whether answers are the policy's own, and whether some are pushed down. Off policy without a push: likelihood of the chosen
## answer (Pref-FT). On policy without: likelihood of own answers weighted by `exp(r / beta)` (RWR). Off policy with: DPO.
## On policy with: REINFORCE. What is pushed down is the reverse KL's way and moves mass fast towards one answer; what is only pulled
## up is the forward KL's and covers. Each is trained from the same start, and `eval quality` says how far it came.
## The paper: the same on language models, bandits and synthetic tasks, with IPO and PPO besides; beta is tuned for each. Here 0.1 for
## DPO, 0.5 for RWR.

import std.advantage (leave_one_out)
import std.policy_gradient (reinforce)
import std.preference (dpo, implicit_reward)
import std.supervised (nll_sequence_mean, weighted_nll_sequence_mean)

param beta: Real in (0, 10] = 0.1
param temperature: Real in (0, 100] = 0.5
param samples: Int in [2, 64] = 8
param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 15

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
  mistake:  Text
}
data unseen from python("tasks.letters:problems", count: 64, held_out: true) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy start = frozen(actor)

response win = problems.solution given problems.question
response lose = problems.mistake given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 3 }
rollout z ~ actor(unseen.question) { samples: 4, max_tokens: 3 }

reward correct = text.ends_with(y.text, problems.answer)
reward held = text.ends_with(z.text, unseen.answer)

let advantage = leave_one_out(correct, per: prompt)

objective pref_ft for actor {
  minimize nll: nll_sequence_mean(actor, win)
}

objective rwr for actor {
  minimize nll: weighted_nll_sequence_mean(logp(actor, y), exp(correct / temperature))
}

objective offline_dpo for actor {
  minimize loss: mean(
    dpo(implicit_reward(actor, start, win) - implicit_reward(actor, start, lose), beta)
  )
}

objective online_pg for actor {
  maximize reinforced: mean(reinforce(sum(logp(actor, y), per: sample), advantage))
}

eval quality on unseen { samples: 8 report mean(held) }

train {
  stage off_policy_pull {
    repeat steps {
      draw prompts prompts from problems
      update actor with pref_ft { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
    evaluate quality
  }
  reset actor to start
  stage on_policy_pull {
    repeat steps {
      draw prompts prompts from problems
      update actor with rwr { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
    evaluate quality
  }
  reset actor to start
  stage off_policy_push {
    repeat steps {
      draw prompts prompts from problems
      update actor with offline_dpo { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
    evaluate quality
  }
  reset actor to start
  stage on_policy_push {
    repeat steps {
      draw prompts prompts from problems
      update actor with online_pg { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
    evaluate quality
  }
}

## The divergences of two distributions over the same values, as losses of the first one's logits.
fn covering(logits: Real @ sample, target: Real @ sample) -> Real =
  sum(target * (log(target) - log_softmax(logits)))
fn seeking(logits: Real @ sample, target: Real @ sample) -> Real =
  sum(exp(log_softmax(logits)) * (log_softmax(logits) - log(target)))
fn log_softmax(logits: Real @ sample) -> Real @ sample = logits - log(sum(exp(logits)))

test "from an even policy to a target of 0.01 and 0.99 the reverse KL pulls harder" {
  let logits = live([0, 0] @ sample)
  let target = [0.01, 0.99] @ sample
  # p - target, and p (log(p / target) - KL), which is a quarter of ln 99
  expect gradient(covering(logits, target), of: logits) == [0.49, -0.49] within 1e-12
  expect gradient(seeking(logits, target), of: logits) == [1.1487799624, -1.1487799624] within 1e-9
}

test "as the target vanishes only the reverse KL grows" {
  let logits = live([0, 0] @ sample)
  let target = [0.0001, 0.9999] @ sample
  expect gradient(covering(logits, target), of: logits) == [0.4999, -0.4999] within 1e-12
  expect gradient(seeking(logits, target), of: logits) == [2.3025600917, -2.3025600917] within 1e-9
}

## Libra-RM: verifiable questions turned into verifiable judgements, and a judge that then needs no reference.
## Paper: "Libra: Assessing and Improving Reward Model by Learning to Think" (2025).
##
## Answers of several reasoners to questions with known results are labelled right or wrong, as many of each. A judge that thinks first
## imitates judgements that came to the label, then is trained by reinforcement: 1 for a verdict that is the label, less a penalty
## for length. Judging unlabelled answers, it is the reward of a policy: no field of the data holds a result there.
## The paper's length penalty is not published; here `penalty` for each token beyond the first two. Groups of 8, a KL to the start.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param penalty: Real in [0, 1] = 0.02
param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 15

data judged from python("tasks.letters:judged", count: 1024) {
  item:  Text
  label: Text target
  trace: Text
}
data questions from python("tasks.letters:unlabelled", count: 1024) { question: Text }

# an answer may hold the token `<pad>`, whose letters the judge's prompt needs
policy judge_model from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>/+-"))
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>/+-"))
policy ref = frozen(judge_model)

response shown = judged.trace given judged.item for judge_model

rollout verdict ~ judge_model(judged.item) { samples: samples, max_tokens: 4 }
rollout y ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout opinion ~ judge_model(y.prompt + y.text + "/") { samples: 1, max_tokens: 4 }

reward agrees = judgement(text.ends_with(verdict.text, judged.label), verdict.length, penalty)
reward approved = text.ends_with(opinion.text, "+")

let judge_advantage = normalize(agrees, per: prompt, guard: 1e-4)
let liked = first(approved, per: prompt)
let advantage = normalize(liked, per: prompt, guard: 1e-4)

## 1 for the label, less `penalty` for each token beyond two, up to ten of them.
fn judgement(right: Real, length: Real, penalty: Real) -> Real =
  right - penalty * clip(length - 2, 0 .. 10)

objective rejection_sampling for judge_model {
  minimize nll: nll_token_mean(judge_model, shown)
}
objective judging for judge_model {
  let ratio = exp(logp(judge_model, verdict) - verdict.logp)
  maximize surrogate: mean(clipped(ratio, judge_advantage, 0.8 .. 1.2))
  minimize kl: beta * mean(k3(judge_model, ref, verdict))
}
objective answering for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

train {
  stage rejection_sampling {
    repeat warm {
      draw 32 rows
      update judge_model with rejection_sampling { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to judge_model
  stage judging {
    repeat steps {
      draw prompts prompts
      update judge_model with judging {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage answering {
    repeat steps {
      draw prompts prompts
      update actor with answering {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "on balanced labels a judge that always says yes earns a half" {
  let label = [1, 0, 1, 0] @ sample
  expect mean(judgement(label, 2, 0.02)) == 0.5
}

test "without a penalty it is a verdict on a question of two answers" {
  let right = [1, 0] @ sample
  expect judgement(right, 100, 0) == right
  expect judgement(right, 4, 0.02) == [0.96, -0.04] within 1e-12
}

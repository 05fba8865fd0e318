## KDRL: GRPO and on-policy distillation from a teacher in one objective.
## Paper: Xu et al. 2025, "KDRL: Post-Training Reasoning LLMs via Unified Knowledge Distillation and Reinforcement Learning".
##
## The student's own answers are pulled towards the teacher by k2, half the squared log-ratio, whose gradient over the
## student's samples is that of the reverse KL; k3 would follow the forward KL instead. The pull is annealed, and falls on
## wrong answers alone (the paper's response-level masking).
## The paper: beta from 5e-3 down to 1e-3, every token counts the same, ratio in 0.8 .. 1.2, a 7B teacher.
## Here the teacher is a small policy that first imitates worked solutions.

import std.surrogate (clipped)
import std.distillation (kdrl)
import std.divergence (k2_of, k3_of)

param beta: Real in [0, 1] = linear(5e-3 -> 1e-3, steps: 30)
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 40
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy teacher from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response shown = problems.solution given problems.question for teacher

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)

objective teaching for teacher {
  minimize nll: -mean(logp(teacher, shown))
}

objective student for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
  minimize distillation: beta * mean(kdrl(logp(actor, y) - logp(teacher, y), correct == 0))
}

train {
  stage teacher {
    repeat warm {
      draw 32 rows
      update teacher with teaching { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage student {
    repeat steps {
      draw prompts prompts
      update actor with student {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "over the policy's own samples k2 has the gradient of the reverse KL" {
  let logits = live([0.3, -0.2, 1.1] @ sample)
  let teacher = [-1.2, -0.5, -2.0] @ sample
  let logp = logits - log(sum(exp(logits)))
  let p = frozen(exp(logp))
  expect gradient(sum(p * k2_of(logp - teacher)), of: logits)
    == gradient(sum(exp(logp) * (logp - teacher)), of: logits) within 1e-12
}

test "and k3 that of the forward KL" {
  # the teacher's probabilities 0.2, 0.3, 0.5
  let logits = live([0.3, -0.2, 1.1] @ sample)
  let teacher = [-1.6094379124341003, -1.2039728043259361, -0.6931471805599453] @ sample
  let logp = logits - log(sum(exp(logits)))
  let p = frozen(exp(logp))
  expect gradient(sum(p * k3_of(logp - teacher)), of: logits)
    == gradient(sum(exp(teacher) * (teacher - logp)), of: logits) within 1e-12
}

test "right answers are not distilled" {
  let correct = [1, 0] @ sample
  let d = live([[0.5], [0.5]] @ token)
  expect gradient(mean(kdrl(d, correct == 0)), of: d) == [[0], [0.25]]
}

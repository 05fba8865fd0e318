## CycleAlign: a black-box model ranks the policy's answers, and the policy learns to rank them the same way.
## Paper: Hong et al. 2023, "CycleAlign: Iterative Distillation from Black-box LLM to White-box Models for Better Human
## Alignment".
##
## The policy draws k answers; their mean log-probabilities are its own ranking. Wherever an answer that the black box ranks
## lower is the likelier one, the difference is a loss, and the best answer is imitated besides (RRHF).
## The paper: the longest common subsequence of the two rankings is written into the black box's prompt as a further
## demonstration, several times for a batch. That loop through a text which grows is not said here.
## Stands in: a function of the text for the black box.

import std.pairing (of_best, ranking_hinge)

param samples: Int in [2, 64] = 4
param prompts: Int in [1, 4096] = 8
param steps: Int in [1, 100000] = 40

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

extern fn black_box(text: Text, answer: Text) -> Real in [0, 1] = python("tasks.letters:quality")

reward quality = black_box(y.text, problems.answer)

objective cycle for actor {
  let log_p = mean(logp(actor, y), per: sample)
  minimize ranking: mean(sum(ranking_hinge(log_p, quality, per: prompt), per: prompt))
  minimize imitation: -mean(of_best(log_p, quality, per: prompt))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with cycle { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "the policy's order against the same order and its reverse" {
  let log_p = [-1, -2, -3] @ sample
  expect sum(ranking_hinge(log_p, [3, 2, 1] @ sample, per: prompt)) == 0
  expect sum(ranking_hinge(log_p, [1, 2, 3] @ sample, per: prompt)) == 4
}

test "the likelier of a misplaced pair is pushed down, the other up" {
  let log_p = live([-1, -2] @ sample)
  expect gradient(sum(ranking_hinge(log_p, [0, 1] @ sample, per: prompt)), of: log_p) == [1, -1]
}

## ReLIFT: reinforcement, and now and then imitation of those questions that reinforcement cannot reach.
## Paper: Ma et al. 2025, "Learning What Reinforcement Learning Can't: Interleaved Online Fine-Tuning for Hardest Questions".
##
## A question of which every answer is wrong goes into a buffer, with its demonstration. When the buffer holds enough, one batch of
## it is imitated, by an optimizer of its own, and reinforcement goes on: GRPO without a deviation, without a clip, every answer's
## sum over a constant length, no KL.
## The paper: 8 answers, a buffer of 128, entropy 0.001 in both, lr 1e-6 for both optimizers. Here a buffer of 16 and the length 4.

import std.advantage (centre)
import std.aggregate (constant_length)
import std.supervised (nll_token_mean)
import std.surrogate (unclipped)

param bonus: Real in [0, 1] = 0.001
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response shown = problems.solution given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = centre(correct, per: prompt)

buffer hard <- problems where is_out_of_reach(correct)

## Whether every answer to a question is wrong.
fn is_out_of_reach(correct: Real @ sample) -> Bool @ prompt = all(correct == 0, per: prompt)

objective reinforcement for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: constant_length(unclipped(ratio, advantage), 4)
  maximize entropy: bonus * mean(entropy(actor, y))
}

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
  maximize entropy: bonus * mean(entropy(actor, shown))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with reinforcement {
      minibatch: 4 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
    when size(hard) >= 16 {
      update actor with imitation on hard { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "a group with one right answer is within reach" {
  expect where(is_out_of_reach([[0, 0, 0], [0, 1, 0], [1, 1, 1]] @ sample), 1, 0) == [1, 0, 0]
}

test "with no group out of reach the step is Dr. GRPO's without a clip" {
  # advantages of a half each way, summed over the tokens, over 2 answers and the length 4
  let ratio = live([[1.5, 1], [0.5]] @ token)
  let loss = constant_length(unclipped(ratio, centre([1, 0] @ sample, per: prompt)), 4)
  expect gradient(loss, of: ratio) == [[0.0625, 0.0625], [-0.0625]] within 1e-12
}

## AHPO (MM-HELIX): an expert's trace joins in where the policy hardly ever finds the answer, and leaves when it does.
## Paper: "MM-HELIX: Boosting Multimodal Long-Chain Reflective Reasoning with Holistic Platform and Adaptive Hybrid Policy
## Optimization" (2025).
##
## One stage and one objective: GRPO on the policy's own answers, and the log-likelihood of the expert's answer to those prompts
## where fewer than `least` of the policy's answers are right. Where none is, GRPO's advantages are 0 and imitation alone is left;
## where enough are, it is GRPO.
## The paper: 100K expert traces, verifiers of 42 kinds of puzzle. `least` is not published as one number; 1 here, of 8 answers.

import std.supervised (nll)
import std.surrogate (clipped)

param least: Real in [0, inf) = 1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

response expert = problems.solution given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let sparse = is_sparse(correct, least)

## Whether fewer than `least` answers to a prompt are right.
fn is_sparse(correct: Real @ sample, least: Real) -> Bool @ prompt =
  sum(correct, per: prompt) < least

## The expert's loss for each token of its answer, where it is needed.
fn guided(loss: Real @ prompt, needed: Bool @ prompt) -> Real @ prompt = where(needed, loss, 0)

objective hybrid for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize expert: mean(guided(mean(nll(actor, expert), per: sample), sparse))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with hybrid { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "without a right answer the gradient is the expert's alone, with one it is GRPO's" {
  let correct = [[0, 0, 0, 0], [0, 1, 0, 0]] @ sample
  let ratio = live([[1, 1, 1, 1], [1, 1, 1, 1]] @ sample)
  let loss = live([0.7, 0.9] @ prompt)
  let needed = is_sparse(correct, 1)
  let advantage = normalize(correct, per: prompt, guard: 0.5)
  let objective = mean(clipped(ratio, advantage, 0.8 .. 1.2)) - mean(guided(loss, needed))
  expect where(needed, 1, 0) == [1, 0]
  expect gradient(objective, of: loss) == [-0.5, 0] within 1e-12
  # advantages of 1/4 below and 3/4 above the mean by a deviation of 1/2 and a guard of 1/2; each of 8 answers weighs 1/8
  expect gradient(objective, of: ratio)
    == [[0, 0, 0, 0], [-0.03125, 0.09375, -0.03125, -0.03125]] within 1e-12
}

test "with no bound the expert never leaves" {
  expect where(is_sparse([[0, 1], [1, 1]] @ sample, inf), 1, 0) == [1, 1]
}

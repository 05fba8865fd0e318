## ARPO: trajectories branch where a tool's answer made the policy uncertain.
## Paper: Dong et al. 2025, "Agentic Reinforced Policy Optimization".
##
## The entropy of the first tokens after a tool's answer, less that of the trajectory's first tokens and over the logarithm of
## the vocabulary, says how uncertain the answer made the policy. A branch goes off with probability `0.5 + weight * increase`. All leaves of a
## question are one group; a token of a shared beginning stands in the loss once for each leaf (the paper's soft advantage), so that
## it gets their mean. The reward is -1 for a broken form, else the answer's, and 0.1 more for a right answer that used its tool.
## The paper: 16 leaves of which 8 start at the root, beam 2, weight 0.2, no KL, lr 1e-6, batches of 128, search and Python.
## Here one call and an answer, each a rollout of its own. Both branches are always drawn; the second counts where one went off.
## Leaves are not filled up from the root to a fixed number. Stands in: a lookup of facts for the tools.

import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param weight: Real in [0, 10] = 0.2
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data questions from python("tasks.lookup:questions", count: 512) {
  question: Text
  answer:   Text target
  call:     Text
}

# a call may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))

response shown = questions.call given questions.question

extern fn look_up(text: Text) -> Text = python("tasks.lookup:look_up")
extern fn calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:calls")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")

rollout a ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout b ~ actor(a.prompt + a.text + look_up(a.text)) { samples: 2, max_tokens: 3 }

# 18 tokens: the alphabet, its padding and the end
let at_start = mean(entropy(actor, a), per: sample) / log(18)
let after_tool = first(first(entropy(actor, b), per: sample), per: prompt) / log(18)
let draw = first(a.uniform, per: sample)
let branches = is_branch(after_tool - at_start, draw, weight)

## The first leaf of each call is always there, the second where a branch went off.
let is_second = rank(0 * b.length, per: prompt) > 0
let leaf = branches or not is_second

reward total =
  tool_reward(
    verify.regex(b.text, "=[123]", match: start),
    is_right(b.text, questions.answer),
    calls(a.text)
  )

let counted = where(leaf, total, absent)
let of_call = sum(counted, per: prompt)
let leaves = count(counted, per: prompt)
let average = sum(of_call, per: prompt) / sum(leaves, per: prompt)
let squares = sum(where(leaf, (total - average) ^ 2, 0), per: prompt)
let deviation = sqrt(sum(squares, per: prompt) / max(sum(leaves, per: prompt) - 1, 1))
let advantage = (total - average) / (deviation + 1e-4)

## The advantage of a shared beginning: the mean over the leaves that go through it.
let shared_advantage = shared(where(leaf, advantage, absent))

## Whether a branch goes off: `draw - weight * increase` is at most a half.
fn is_branch(increase: Real, draw: Real, weight: Real) -> Bool = draw - weight * increase <= 0.5

## How probable that is.
fn branch_probability(increase: Real, weight: Real) -> Real = clip(0.5 + weight * increase, 0 .. 1)

## The mean of the leaves below.
fn shared(advantage: Real @ sample) -> Real = mean(advantage, per: prompt)

## -1 for a broken form; else the answer's reward, and 0.1 for a right one that used its tool.
fn tool_reward(formed: Real, right: Real, calls: Real) -> Real =
  where(formed > 0, right + where(right > 0 and calls > 0, 0.1, 0), -1)

objective supervised for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective arpo for actor {
  maximize beginning: mean(clipped(exp(logp(actor, a) - a.logp), shared_advantage, 0.8 .. 1.2))
  maximize branch: mean(clipped(exp(logp(actor, b) - b.logp), advantage, 0.8 .. 1.2), where: leaf)
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage arpo {
    repeat steps {
      draw prompts prompts
      update actor with arpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "an increase of 0.3 at weight 0.2 branches with probability 0.56, a large decrease never" {
  expect branch_probability(0.3, 0.2) == 0.56 within 1e-12
  expect branch_probability(-3, 0.2) == 0
  expect is_branch(0.3, [0.55, 0.57] @ sample, 0.2) == [1, 0]
  expect is_branch(-3, [0, 0.5] @ sample, 0.2) == [0, 0]
}

test "a beginning shared by advantages 1 and -1 gets 0" {
  expect shared([[1, -1], [0.5, 0.1]] @ sample) == [0, 0.3] within 1e-12
}

test "a broken form costs 1, a right answer by its tool earns 1.1" {
  expect tool_reward([0, 1, 1, 1] @ sample, [1, 1, 1, 0] @ sample, [1, 1, 0, 1] @ sample)
    == [-1, 1.1, 1, 0] within 1e-12
}

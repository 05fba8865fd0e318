## SELF: reinforcement on what greedy decoding does not solve, held by the forward KL to the base model.
## Paper: "The Reasoning Boundary Paradox: How Reinforcement Learning Constrains Language Models" (2025).
##
## Reinforcement sharpens what a model already does well and loses what it could do otherwise. So each prompt is first decoded
## greedily; those that are solved are left out, and where nothing is left there is no update. The others are sampled and learned
## from as in GRPO. The penalty is the KL of the base model from the policy, over answers of the base model: it asks the policy to
## keep everything that the base model would say.
## The paper: 8 answers, ratio in 0.8 .. 1.2, every token counts the same, 128 prompts of which 64 make an update batch,
## lr 1e-6. The authors' script runs without the penalty; its coefficient here is 1e-3.

import std.divergence (k1)
import std.surrogate (clipped)

param beta: Real in (0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout probe ~ actor(problems.question) { samples: 1, max_tokens: 4, greedy: true }
rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }
rollout kept ~ ref(problems.question) { samples: 1, max_tokens: 4 }

reward greedy = text.ends_with(probe.text, problems.answer)
reward correct = text.ends_with(y.text, problems.answer)

let advantage = normalize(correct, per: prompt, guard: 1e-6)
let unsolved = is_unsolved_greedily(greedy)

## Whether the greedy answer to a prompt is wrong.
fn is_unsolved_greedily(greedy: Real @ sample) -> Bool @ prompt = first(greedy, per: prompt) != 1

objective self for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2), where: unsolved) else 0
  minimize forward_kl: beta * (mean(k1(ref, actor, kept), where: unsolved) else 0)
}

train {
  repeat steps {
    draw prompts prompts
    when any(unsolved) {
      update actor with self { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "of greedy rewards 1, 0, 0, 1 the second and the third prompt are learned from, as if they were alone" {
  let greedy = [[1], [0], [0], [1]] @ sample
  let ratio = live([[[1.1]], [[0.9]], [[1]], [[1]]] @ token)
  let objective =
    mean(clipped(ratio, [2, 1, -1, -2] @ prompt, 0.8 .. 1.2), where: is_unsolved_greedily(greedy))
  expect objective == -0.05 within 1e-12
  expect gradient(objective, of: ratio) == [[[0]], [[0.5]], [[-0.5]], [[0]]]
}

test "where all greedy answers are right nothing is updated" {
  expect any(is_unsolved_greedily([[1], [1]] @ sample)) == 0
}

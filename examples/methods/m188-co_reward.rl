## Co-Reward: two questions that mean the same, each rewarded by what most answers to the other say.
## Paper: Zhang et al. 2025, "Co-Reward: Self-supervised Reinforcement Learning for Large Language Model Reasoning via
## Contrastive Agreement".
##
## No answers are known. Each question has a paraphrase that a larger model wrote; the pseudo-label of a question is the majority of
## the answers to its paraphrase, and the other way round, so that agreement with oneself alone earns nothing. Empty answers do not
## vote and are worth 0. Advantages are those of GRPO, within each of the two groups.
## The paper: 8 answers to each, ratio in 0.8 .. 1.2, k3 with 0.005, lr 3e-6 by a cosine, 128 questions. Its journal version takes the
## label from a moving average of the policy, here `policy teacher = ema(actor, rate: …)` in the place of one of the two.
## Stands in: a word turned round for the paraphrase.

import std.divergence (k3)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 0.005
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data pairs from python("tasks.twins:pairs", count: 512) {
  question:   Text
  paraphrase: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)

rollout a ~ actor(pairs.question) { samples: samples, max_tokens: 2 }
rollout b ~ actor(pairs.paraphrase) { samples: samples, max_tokens: 2 }

reward agrees_a = agrees(answer(a.text), answer(b.text))
reward agrees_b = agrees(answer(b.text), answer(a.text))

let advantage_a = normalize(agrees_a, per: prompt, guard: 1e-4)
let advantage_b = normalize(agrees_b, per: prompt, guard: 1e-4)

## 1 where an answer is the majority of those to the other question, 0 where not, and where either side says nothing.
fn agrees(own: Text, other: Text) -> Real @ sample =
  verify.equal(own, majority(other, per: prompt)) else 0

objective co_reward for actor {
  let ratio_a = exp(logp(actor, a) - a.logp)
  let ratio_b = exp(logp(actor, b) - b.logp)
  maximize question: mean(mean(clipped(ratio_a, advantage_a, 0.8 .. 1.2), per: sample))
  maximize paraphrase: mean(mean(clipped(ratio_b, advantage_b, 0.8 .. 1.2), per: sample))
  minimize question_kl: beta * mean(mean(k3(actor, ref, a), per: sample))
  minimize paraphrase_kl: beta * mean(mean(k3(actor, ref, b), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with co_reward {
      minibatch: 4 prompts
      optimizer: adamw(lr: cosine(1e-3 -> 1e-4, steps: 30))
      clip_gradient: 1.0
    }
  }
}

test "answers A, A, B and A, C, C: the label of each is the other's majority" {
  let question = ["A", "A", "B"] @ sample
  let paraphrase = ["A", "C", "C"] @ sample
  expect agrees(question, paraphrase) == [0, 0, 0]
  expect agrees(paraphrase, question) == [1, 0, 0]
}

test "a question that is its own paraphrase is rewarded by its own majority" {
  let question = ["A", "A", "B"] @ sample
  expect agrees(question, question) == [1, 1, 0]
}

test "who says nothing neither votes nor is paid, and a group without a vote pays nobody" {
  let question = [["A", absent, absent], ["A", "B", "B"]] @ sample
  let paraphrase = [["A", "A", absent], [absent, absent, absent]] @ sample
  expect agrees(question, paraphrase) == [[1, 0, 0], [0, 0, 0]]
  expect agrees(paraphrase, question) == [[1, 1, 0], [0, 0, 0]]
}

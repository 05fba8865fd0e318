## Tree-based preference data: answers that share their beginnings teach a reward model more than independent ones.
## Paper: Qiu et al. 2024, "Reward Generalization in RLHF: A Topological Perspective".
##
## For each prompt a prefix tree is drawn, of depth D and B branches at each node; its leaves are whole answers. Any two leaves make a
## pair, whatever they share. The loss of the reward model is Bradley-Terry, as it is for independent answers; what changes is which
## answers are compared. Then the policy is tuned on the best of several of its own answers by the reward model.
## The paper: PPO, or rejection sampling as here; beta scales the difference of rewards. Depth 2 and 2 branches here; with 4 first
## halves and one leaf each it would be the chain.
## Stands in: a grade of the text for the people who compare: the better is preferred with probability `sigmoid(beta difference)`,
## and the loss is taken in expectation over what they say.

import std.reward_model (graded_preference)
import std.supervised (raft)

param beta: Real in (0, 100] = 5
param branches: Int in [1, 16] = 2
param samples: Int in [2, 64] = 8
param prompts: Int in [1, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 15

data questions from python("tasks.words:questions", count: 512) {
  question: Text
  chance:   Real
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))

extern fn worth(question: Text, text: Text) -> Real in [0, 1] = python("tasks.words:worth")

rollout half ~ actor(questions.question) { samples: branches, max_tokens: 2 }
rollout leaf ~ actor(questions.question + half.text) { samples: branches, max_tokens: 2 }
rollout y ~ actor(questions.question) { samples: samples, max_tokens: 4 }

reward grade = worth(questions.question, half.text + leaf.text)
reward quality = score(rm, y)

## What people say of each other leaf: the probability that this one is preferred, @ pair.
fn preferred(grade: Real, beta: Real) -> Real = {
  let other = others(grade, per: batch)
  sigmoid(beta * (spread(grade, to: other) - other))
}

## Whether another leaf is one of the same tree, by a number that each tree has, @ pair.
fn is_of_same_tree(tree: Real) -> Bool = {
  let other = others(tree, per: batch)
  spread(tree, to: other) == other
}

## The loss of each pair of leaves, @ pair.
fn pair_loss(reward: Real, preferred: Real) -> Real = {
  let other = others(reward, per: batch)
  graded_preference(spread(reward, to: other) - other, preferred)
}

objective preferences for rm {
  let tree = spread(questions.chance, to: grade)
  minimize loss: mean(
    pair_loss(score(rm, leaf), preferred(grade, beta)),
    where: is_of_same_tree(tree)
  )
}

objective best_of_n for actor {
  minimize nll: raft(logp(actor, y), quality)
}

train {
  stage reward_model {
    repeat warm {
      draw 8 prompts
      update rm with preferences { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
  stage policy {
    repeat steps {
      draw prompts prompts
      update actor with best_of_n { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "depth 2 and 2 branches make 4 leaves and 6 pairs, of which 2 share the first half" {
  # two trees; each pair is seen from both sides
  let tree = [[1, 1, 1, 1], [2, 2, 2, 2]] @ sample
  let half = [[1, 1, 2, 2], [3, 3, 4, 4]] @ sample
  expect sum(where(is_of_same_tree(tree), 1, 0)) / 4 == 6
  expect sum(where(is_of_same_tree(half), 1, 0)) / 4 == 2
}

test "the loss of a pair is Bradley-Terry, whatever the two leaves share" {
  let reward = live([0.9, 0.4] @ sample)
  # sigmoid(0.5) of a sure preference, and the other way round
  let sure = [1, 0] @ sample
  let loss = mean(pair_loss(reward, spread(sure, to: others(sure, per: batch))))
  expect loss == 0.4740769842 within 1e-9
}

test "equal grades are preferred half of the time" {
  let grade = [0.3, 0.3] @ sample
  expect mean(preferred(grade, 5)) == 0.5
}

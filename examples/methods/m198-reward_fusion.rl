## Contrast Instructions, ConvexDA and RewardFusion: how consistent a reward model is, and two ways to make it more so.
## Paper: Shen et al. 2023, "The Trickle-down Impact of Reward (In-)consistency on RLHF".
##
## Consistency is measured on pairs of similar instructions with different answers: is the right answer worth more than the
## other's, and worth more under its own instruction than under the other's? ConvexDA adds perturbed copies of an answer to
## the training pairs, but only those on the convex hull of their embeddings (done by the data module). RewardFusion scores a text
## together with similar texts of the training data, weighted by similarity, the text itself counting 1. The policy climbs
## the fused reward.
## The paper: 5 copies, embeddings brought to two dimensions, up to 5 neighbours of cosine 0.9 and more. Here 2 neighbours,
## and embeddings have two dimensions from the start.

import std.advantage (leave_one_out)
import std.policy_gradient (reinforce)
import std.reward_model (bradley_terry)

param threshold: Real in [0, 1] = 0.9
param samples: Int in [2, 64] = 8
param prompts: Int in [1, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data pairs from python("tasks.instructions:pairs", count: 1024) {
  question: Text
  chosen:   Text
  rejected: Text
}
data twins from python("tasks.instructions:twins", count: 64) {
  first:         Text
  second:        Text
  first_answer:  Text
  second_answer: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcp<d>"))
scorer rm from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcp<d>"))

response win = pairs.chosen given pairs.question
response lose = pairs.rejected given pairs.question
response own = twins.first_answer given twins.first
response other_answer = twins.second_answer given twins.first
response other_instruction = twins.first_answer given twins.second

rollout y ~ actor(pairs.question) { samples: samples, max_tokens: 4 }

extern fn neighbour(text: Text, place: Int) -> Text = python("tasks.instructions:neighbour")
extern fn instruction(text: Text, place: Int) -> Text = python("tasks.instructions:instruction")
extern fn cosine(text: Text, other: Text) -> Real in [-1, 1] = python("tasks.instructions:cosine")

let first_text = neighbour(y.text, 0)
let second_text = neighbour(y.text, 1)

response first_near = first_text given instruction(y.text, 0)
response second_near = second_text given instruction(y.text, 1)

reward fused =
  fusion(
    score(rm, y),
    score(rm, first_near),
    score(rm, second_near),
    enough(cosine(y.text, first_text), threshold),
    enough(cosine(y.text, second_text), threshold)
  )

let advantage = leave_one_out(fused, per: prompt)
let consistent_response = score(rm, own) > score(rm, other_answer)
let consistent_instruction = score(rm, own) > score(rm, other_instruction)

## A similarity, or 0 where it is too small for the text to count.
fn enough(similarity: Real, threshold: Real) -> Real = where(similarity >= threshold, similarity, 0)

## The mean of three rewards, the text's own by weight 1 and its neighbours' by their similarities.
fn fusion(own: Real, first: Real, second: Real, first_weight: Real, second_weight: Real) -> Real =
  (own + first_weight * first + second_weight * second)
  / (1 + max(first_weight, 0) + max(second_weight, 0))

objective preferences for rm {
  minimize loss: mean(bradley_terry(score(rm, win), score(rm, lose)))
}
objective policy for actor {
  maximize surrogate: mean(reinforce(sum(logp(actor, y), per: sample), advantage))
}

eval consistency on twins {
  report response: mean(consistent_response), instruction: mean(consistent_instruction)
}

train {
  stage reward_model {
    repeat warm {
      draw 32 rows
      update rm with preferences { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  evaluate consistency
  stage policy {
    repeat steps {
      draw prompts prompts
      update actor with policy { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "neighbours of similarity 0.95 and 0.9 with rewards 2 and 1, the text itself 3" {
  expect fusion(3, 2, 1, enough(0.95, 0.9), enough(0.9, 0.9)) == 2.0350877193 within 1e-9
}

test "without a neighbour above the threshold it is the plain reward" {
  expect fusion(3, 2, 1, enough(0.5, 0.9), enough(0.89, 0.9)) == 3
}

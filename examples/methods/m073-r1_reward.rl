## R1-Reward (StableReinforce): a reward model that reasons, trained by REINFORCE++ with two guards against blow-ups.
## Paper: Zhang et al. 2025, "R1-Reward: Training Multimodal Reward Model Through Stable Reinforcement Learning".
##
## The policy reads a question and two answers, thinks, and names the better one. It is paid for the format, for the right
## verdict, and for a verdict that agrees with its own reasoning. The two guards: the log-ratio is cut before it is
## exponentiated, and advantages further than 3 deviations from the mean of the batch count as 0.
## The paper: one sample a prompt, 256 prompts of which 128 make an update batch, log-ratio within log 1e-3 .. log 1e3, ratio in
## 0.8 .. 1.2, KL 1e-3 in the reward, lr 3e-7; a cold start on long reasoning first. The authors' code compares the whitened
## advantage with the raw mean and three raw deviations; here both sides are on one scale.
## Stands in: a small function for the second model that says whether reasoning and verdict agree.

import std.advantage (whiten, without_outliers)
import std.divergence (k1)
import std.group (reinforce_plus_plus_advantage)
import std.supervised (nll_token_mean)
import std.surrogate (clipped, preclipped_ratio)

param beta: Real in [0, 1] = 1e-3
param prompts: Int in [2, 4096] = 64
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 30

data items from python("tasks.verdicts:pairs", count: 1024) {
  item:  Text
  label: Text target
  trace: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abc12:>"))
policy ref = frozen(actor)

response shown = items.trace given items.item

rollout y ~ actor(items.item) { samples: 1, max_tokens: 4 }

extern fn is_formed(text: Text) -> Real in {0, 1} = python("tasks.verdicts:is_formed")
extern fn is_right(text: Text, label: Text) -> Real in {0, 1} = python("tasks.verdicts:is_right")
extern fn consistency(text: Text, item: Text) -> Int in {-1, 0, 1} = python(
  "tasks.verdicts:consistency"
)

reward total =
  verdict_reward(is_formed(y.text), is_right(y.text, items.label), consistency(y.text, items.item))

let each = at_last(total, y) - beta * k1(actor, ref, y)
let raw = reinforce_plus_plus_advantage(each, 1.0, 1e-8)
let advantage = without_outliers(raw, 3, per: batch)

## Half a point for the format; one for a right verdict, half as much more or less as it agrees with the reasoning.
fn verdict_reward(format: Real, correct: Real, consistency: Real) -> Real =
  0.5 * format + correct * (1 + 0.5 * consistency)

objective cold_start for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective stable_reinforce for actor {
  let ratio = preclipped_ratio(logp(actor, y) - y.logp, 1e-3 .. 1e3)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update actor with cold_start { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage reinforce {
    repeat steps {
      draw prompts prompts
      update actor with stable_reinforce {
        minibatch: 4 prompts
        optimizer: adamw(lr: 5e-4)
        clip_gradient: 1.0
      }
    }
  }
}

test "consistent and right is worth 2, inconsistent 1, wrong the format alone" {
  let correct = [1, 1, 0] @ sample
  let consistency = [1, -1, 1] @ sample
  expect verdict_reward(1, correct, consistency) == [2, 1, 0.5]
}

test "a log-ratio of 20 gives 1000 and no gradient" {
  let d = live([20, 0.1] @ sample)
  expect preclipped_ratio(d, 1e-3 .. 1e3) == [1000, 1.1051709181] within 1e-9
  expect gradient(sum(preclipped_ratio(d, 1e-3 .. 1e3)), of: d) == [0, 1.1051709181] within 1e-9
}

test "4 deviations are cut, 2 are not" {
  # of 20 values one is 4.25 deviations from the mean; of 6 it is 2.04
  let far = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] @ sample
  expect max(without_outliers(whiten(far, per: batch, guard: 0), 3, per: batch)) == 0
}

test "2 deviations are left as they are" {
  let near = [1, 0, 0, 0, 0, 0] @ sample
  let z = whiten(near, per: batch, guard: 0)
  expect max(z) == 2.0412414523 within 1e-9
  expect without_outliers(z, 3, per: batch) == z
}

test "the three verdicts on a question, by their texts" {
  # of `a` and `b` the smaller is the first: consistent, inconsistent, wrong
  let said = ["a1", "b1", "b2"] @ sample
  let earned = verdict_reward(is_formed(said), is_right(said, "1"), consistency(said, "ab:1a2b>"))
  expect earned == [2, 1, 0.5]
}

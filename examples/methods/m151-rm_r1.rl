## RM-R1: a reward model that writes its reasoning and then a verdict, distilled first and then trained by GRPO.
## Paper: Chen et al. 2025, "RM-R1: Reward Modeling as Reasoning".
##
## Judgements of an oracle are imitated, reasoning and verdict; then the policy judges by itself and gets 1 where the right
## verdict stands in the last 80 characters and the other one does not, and -1 otherwise. Nothing is paid for the format. The KL
## is to the distilled model. (In the paper the policy first says whether the question is chat, for which it writes a
## rubric, or reasoning, which it solves first; that is asked for in the prompt.)
## The paper: 8.7K distilled judgements, 7 answers, KL 1e-3, 1024 prompts of which 128 make an update batch, lr 1e-6, no
## entropy bonus.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 7
param prompts: Int in [2, 4096] = 16
param warm: Int in [1, 1000] = 60
param steps: Int in [1, 100000] = 20

data items from python("tasks.verdicts:tagged", count: 1024) {
  item:  Text
  right: Text target
  wrong: Text target
  trace: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abc12:>[]"))
policy ref = frozen(actor)

response shown = items.trace given items.item

rollout y ~ actor(items.item) { samples: samples, max_tokens: 6 }

extern fn tail(text: Text) -> Text = python("tasks.verdicts:tail")

reward verdict =
  verdict_reward(text.contains(tail(y.text), items.right), text.contains(tail(y.text), items.wrong))

let advantage = normalize(verdict, per: prompt, guard: 1e-4)

## 1 where the right verdict is named and the other one is not, else -1.
fn verdict_reward(right: Bool, wrong: Bool) -> Real = where(right and not wrong, 1, -1)

objective distillation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective judging for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  stage distillation {
    repeat warm {
      draw 32 rows
      update actor with distillation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage judging {
    repeat steps {
      draw prompts prompts
      update actor with judging {
        minibatch: 4 prompts
        optimizer: adamw(lr: 5e-4)
        clip_gradient: 1.0
      }
    }
  }
}

test "the right verdict alone is 1; the other, both and none are -1" {
  let right = [1, 0, 1, 0] @ sample
  let wrong = [0, 1, 1, 0] @ sample
  expect verdict_reward(right > 0, wrong > 0) == [1, -1, -1, -1]
}

test "4 right and 3 wrong of 7 have mean 1/7 and two advantages" {
  let right = [1, 1, 1, 1, 0, 0, 0] @ sample
  let verdict = verdict_reward(right > 0, right < 1)
  let z = normalize(verdict, per: prompt, guard: 0)
  expect mean(verdict) == 0.1428571429 within 1e-9
  expect z * z * where(right > 0, 4 / 3, 3 / 4)
    == [
      0.8571428571,
      0.8571428571,
      0.8571428571,
      0.8571428571,
      0.8571428571,
      0.8571428571,
      0.8571428571
    ] within 1e-9
}

test "verdicts are read in the last 80 characters" {
  let said = ["a[1]", "a[2]", "[1][2]", "a"] @ sample
  expect verdict_reward(text.contains(tail(said), "[1]"), text.contains(tail(said), "[2]"))
    == [1, -1, -1, -1]
}

## Agent-RLVR: failed attempts are tried again with guidance, and passing attempts are imitated and preferred to failing ones.
## Paper: "Agent-RLVR: Training Software Engineering Agents via Guidance and Environment Rewards" (2025).
##
## An attempt that fails its tests is repeated with guidance in the prompt: a plan, the errors, hints about the environment. Then passing
## attempts are imitated, and a DPO loss prefers a passing attempt to a failing one of the same task; guidance and what the
## environment said are no tokens of the policy. A task that never passes makes no pair, nor does one that always does.
## The paper: supervised updates, then offline DPO, again and again; the same data train a reward model for best-of-n.
## Here the second attempt is drawn for every task and counts where the first failed: the cost is more, the pairs are the same.
## Stands in: a hint that names the letters of the word in order, and equality for the tests.

import std.preference (dpo, implicit_reward)

param beta: Real in (0, 10] = 0.1
param samples: Int in [1, 64] = 4
param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 20

data tasks from python("tasks.letters:guided", count: 1024) {
  question: Text
  answer:   Text target
  guidance: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd!>"))
policy ref = frozen(actor)

rollout y ~ actor(tasks.question) { samples: samples, max_tokens: 3 }
rollout z ~ actor(tasks.question + tasks.guidance) { samples: samples, max_tokens: 3 }

reward passes = text.ends_with(y.text, tasks.answer)
reward passes_guided = text.ends_with(z.text, tasks.answer)

let failed = not any(passes, per: prompt)
let passed = pair_exists(any(passes, per: prompt), all(passes, per: prompt))
let rescued = failed and any(passes_guided, per: prompt)
let guided_pass = failed and passes_guided > 0

## Whether a task has an attempt that passes and one that does not.
fn pair_exists(one_passes: Bool, all_pass: Bool) -> Bool = one_passes and not all_pass

## The mean over the attempts that are meant; 0 where there is none.
fn mean_of(x: Real @ sample, chosen: Bool @ sample) -> Real @ prompt =
  mean(x, per: prompt, where: chosen) else 0

objective imitation for actor {
  minimize own: -mean(logp(actor, y), where: passes > 0)
  minimize guided: -mean(logp(actor, z), where: guided_pass)
}

objective preferences for actor {
  let gain = implicit_reward(actor, ref, y)
  let guided_gain = implicit_reward(actor, ref, z)
  let own = mean_of(gain, passes > 0) - mean_of(gain, passes < 1)
  let rescue = mean_of(guided_gain, guided_pass) - mean_of(gain, passes < 1)
  minimize own: mean(dpo(own, beta), where: passed)
  minimize rescue: mean(dpo(rescue, beta), where: rescued)
}

train {
  repeat 2 {
    stage imitation {
      repeat steps {
        draw prompts prompts
        update actor with imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      }
    }
    reset ref to actor
    stage preferences {
      repeat steps {
        draw prompts prompts
        update actor with preferences {
          minibatch: 8 prompts
          optimizer: adamw(lr: 1e-3)
          clip_gradient: 1.0
        }
      }
    }
  }
}

test "a task whose attempts all pass makes no pair, nor does one whose attempts all fail" {
  let passes = [[1, 1], [1, 0], [0, 0]] @ sample
  expect pair_exists(any(passes > 0, per: prompt), all(passes > 0, per: prompt)) == [0, 1, 0]
}

test "a pair is made of the mean of what passes and the mean of what fails" {
  let gain = live([[3, 5, 1]] @ sample)
  let passes = [[1, 1, 0]] @ sample
  let margin = mean_of(gain, passes > 0) - mean_of(gain, passes < 1)
  expect margin == [3]
  expect gradient(sum(margin), of: gain) == [[0.5, 0.5, -1]]
  expect mean_of(gain, passes > 1) == [0]
}

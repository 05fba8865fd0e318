## Model-task alignment: one policy gradient under six rewards, from the verifier to a coin, to see which still teach.
## Paper: Wu et al. 2025, "Model-Task Alignment Drives Distinct RL Outcomes".
##
## Rewards that say nothing of the task are reported to work; the study finds that they do where the model can do the task already,
## which pass@k of the base model measures, and not elsewhere. `signal` chooses the reward: 0 the verifier, 1 a coin, 2 the verifier
## turned round, 3 the format alone, 4 the majority of the group, 5 a constant. All else stays the same.
## The paper: GRPO on several models and tasks; one-example training is m170, updates from wrong answers alone m092.

import std.surrogate (clipped)

param signal: Int in {0, 1, 2, 3, 4, 5} = 0
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}
data unseen from python("tasks.letters:problems", count: 64, held_out: true) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 3 }
rollout z ~ actor(unseen.question) { samples: 10, max_tokens: 3 }

reward correct = text.ends_with(y.text, problems.answer)
reward formed = verify.regex(y.text, "[abcd]+", match: whole)
reward agrees = verify.equal(y.text, majority(y.text, per: prompt)) else 0
reward held = text.ends_with(z.text, unseen.answer)

reward total =
  chosen(signal, correct, where(first(y.uniform, per: sample) < 0.5, 1, 0), formed, agrees)

let advantage = normalize(total, per: prompt, guard: 1e-4)

## The reward that a number stands for.
fn chosen(signal: Real, correct: Real, coin: Real, formed: Real, agrees: Real) -> Real =
  where(
    signal == 0,
    correct,
    where(
      signal == 1,
      coin,
      where(signal == 2, 1 - correct, where(signal == 3, formed, where(signal == 4, agrees, 1)))
    )
  )

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
}

eval alignment on unseen { samples: 10 report mean(held), pass_at(2, held), pass_at(8, held) }

train {
  evaluate alignment
  repeat steps {
    draw prompts prompts from problems
    update actor with grpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
  evaluate alignment
}

test "of ten answers three are right: pass@2" {
  # 1 - C(7, 2) / C(10, 2)
  expect pass_at(2, [1, 0, 0, 1, 0, 0, 1, 0, 0, 0] @ sample) == [0.5333333333] within 1e-9
}

test "a constant reward has no advantage anywhere, the others are what they are called" {
  let correct = [1, 0, 0] @ sample
  let coin = [0, 1, 0] @ sample
  let formed = [1, 1, 0] @ sample
  let agrees = [0, 1, 1] @ sample
  expect normalize(chosen(5, correct, coin, formed, agrees) + 0 * correct, per: prompt, guard: 1e-4)
    == [0, 0, 0]
  expect chosen(0, correct, coin, formed, agrees) == correct
  expect chosen(1, correct, coin, formed, agrees) == coin
  expect chosen(2, correct, coin, formed, agrees) == [0, 1, 1]
  expect chosen(3, correct, coin, formed, agrees) == formed
  expect chosen(4, correct, coin, formed, agrees) == agrees
}

## RLPT: reinforcement learning on plain documents, by predicting the next segment or one in the middle.
## Paper: Li et al. 2025, "Reinforcement Learning on Pre-Training Data".
##
## A document is cut into segments. The policy is shown what precedes a segment (ASR), or what precedes it and the segment after it
## (MSR), and writes; a judge says whether what it wrote agrees with a beginning of the reference. (Equality with the next
## segment alone was too strict.) The objective is the expected reward of the first kind plus `lambda` times the second's.
## The paper: lambda in (0, 1), on-policy GRPO without KL, after a short cold start; a language model as the judge, segments
## are sentences. Stands in: two letters for a sentence, and a comparison word by word for the judge.

import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param lambda: Real in [0, 1) = 0.5
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 30

data next_segments from python("tasks.corpus:continuing", count: 512) {
  before: Text
  rest:   Text target
}
data middle_segments from python("tasks.corpus:filling", count: 512) {
  around: Text
  middle: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("ab.?>"))

response shown = middle_segments.middle given middle_segments.around

rollout y ~ actor(next_segments.before) { samples: samples, max_tokens: 4 }
rollout z ~ actor(middle_segments.around) { samples: samples, max_tokens: 4 }

extern fn is_prefix(prediction: Text, reference: Text) -> Real in {0, 1} = python(
  "tasks.corpus:is_prefix"
)

reward continued = is_prefix(y.text, next_segments.rest)
reward filled = is_prefix(z.text, middle_segments.middle)

let continued_advantage = normalize(continued, per: prompt, guard: 1e-4)
let filled_advantage = normalize(filled, per: prompt, guard: 1e-4)

## The sum of the two kinds of task.
fn both(next: Real, middle: Real, weight: Real) -> Real = next + weight * middle

objective cold_start for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective rlpt for actor {
  let next = mean(clipped(exp(logp(actor, y) - y.logp), continued_advantage, 0.8 .. 1.2))
  let middle = mean(clipped(exp(logp(actor, z) - z.logp), filled_advantage, 0.8 .. 1.2))
  maximize surrogate: both(next, middle, lambda)
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update actor with cold_start { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage documents {
    repeat steps {
      draw prompts rows from next_segments
      draw prompts rows from middle_segments
      update actor with rlpt { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "with lambda 0 the middle does not count" {
  let next = live([1, 2] @ sample)
  let middle = live([3, 4] @ sample)
  expect both(mean(next), mean(middle), 0) == 1.5
  expect gradient(both(mean(next), mean(middle), 0), of: middle) == [0, 0]
  expect gradient(both(mean(next), mean(middle), 0.5), of: middle) == [0.25, 0.25]
}

test "of a reference in three parts, the first and the first two are beginnings of it, the second is not" {
  expect is_prefix("A", "A. B. C.") == 1
  expect is_prefix("A B", "A. B. C.") == 1
  expect is_prefix("B", "A. B. C.") == 0
}

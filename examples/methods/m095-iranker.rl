## IRanker: ranking as repeated exclusion, each exclusion one decision that is rewarded by itself.
## Paper: "IRanker: Towards Ranking Foundation Model" (2025).
##
## The prompt lists the remaining candidates, the policy thinks and names one to drop. Dropping a candidate that is not the sought
## one earns 1, the sought one 0, a name that is not listed -0.5, and no name at all -1; a broken layout costs 1, and each missing or
## doubled tag 0.25. Exclusions are trained one by one, as single turns by PPO with a critic, on sampled pools of candidates; at
## inference they are repeated until one candidate is left.
## The paper: lr 1e-6 for the policy and 2e-6 for the critic, KL 0.001, batches of 64. Here candidates are letters, the sought one
## is the smallest, and a text is `(thought)[name]`.

import std.divergence (k1)
import std.returns (gae)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param beta: Real in [0, 1] = 0.001
param prompts: Int in [2, 4096] = 64
param warm: Int in [1, 1000] = 40
param steps: Int in [1, 100000] = 20

data pools from python("tasks.candidates:pools", count: 1024) {
  listed: Text
  gold:   Text target
  shown:  Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdef()[]>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdef()[]>"))

response demonstration = pools.shown given pools.listed

rollout y ~ actor(pools.listed) { samples: 1, max_tokens: 7 }

extern fn choice(text: Text, listed: Text, gold: Text) -> Real in [-1, 1] = python(
  "tasks.candidates:choice"
)
extern fn layout(text: Text) -> Bool = python("tasks.candidates:layout")
extern fn bad_tags(text: Text) -> Int in {0, 1, 2, 3, 4} = python("tasks.candidates:bad_tags")

reward total = exclusion(choice(y.text, pools.listed, pools.gold), layout(y.text), bad_tags(y.text))

let each = at_last(total, y) - beta * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(each, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

## What was named, less 1 for a broken layout, less a quarter for each bad tag.
fn exclusion(choice: Real, formed: Bool, bad_tags: Real) -> Real =
  choice - where(formed, 0, 1) - 0.25 * bad_tags

objective cold_start for actor {
  minimize nll: nll_token_mean(actor, demonstration)
}
objective ppo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}
objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update actor with cold_start { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage ppo {
    repeat steps {
      draw prompts prompts
      update actor with ppo { minibatch: 4 prompts, optimizer: adamw(lr: 5e-4), clip_gradient: 1.0 }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "a well formed drop of another candidate, of the sought one, of an unlisted name" {
  let choice = [1, 0, -0.5] @ sample
  expect exclusion(choice, choice >= -1, 0) == [1, 0, -0.5]
}

test "a right name in a broken layout with four bad tags is -1, no name at all -3" {
  let choice = [1, -1] @ sample
  expect exclusion(choice, choice > 2, 4) == [-1, -3]
}

test "the same by texts, of the candidates c, a and b" {
  let said = ["(b)[b]", "(a)[a]", "(d)[d]", "b"] @ sample
  expect exclusion(choice(said, "cab>", "a"), layout(said), bad_tags(said)) == [1, 0, -0.5, -3]
}

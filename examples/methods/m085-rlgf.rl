## RLGF (D2LOLS): a policy learns from a guide that can only be asked to write, first by handing over to it, then by taking over.
## Paper: Chang et al. 2023, "Learning to Generate Better Than Your LLM".
##
## AggreVaTeD: the policy begins an answer, the guide ends it, and the policy's own tokens are trained on what the whole was worth;
## that estimates the guide's advantage. PPO++: the guide begins, the policy ends, and the policy's tokens are trained; that
## gives PPO better places to start from. LOLS mixes the two; D2LOLS, here, takes the first for `tau` iterations and the second after.
## Where the two meet is uniform over the answer, for the share `beta` of the episodes; the others begin at the prompt.
## The paper: beta 0.6 to 0.8 for PPO++ and 0.8 to 1 for AggreVaTeD, tau 20 to 200, a KL to the start for each token. Rewards are
## measures of the whole text. Here the guide is a small policy that imitates worked solutions.

import std.divergence (k1)
import std.returns (gae)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param beta: Real in [0, 1] = 0.8
param kl_weight: Real in [0, 1] = 0.01
param samples: Int in [1, 64] = 4
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 40
param steps: Int in [1, 100000] = 15

data problems from python("tasks.letters:meetings", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
  coin:     Real
  place:    Real
}

# what a policy begins may hold the token `<pad>`, whose letters the guide's prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))
policy guide from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))
critic guided from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>"))

response shown = problems.solution given problems.question for guide

let share = where(problems.coin < beta, problems.place, 0)

# the policy begins, the guide ends
rollout own ~ actor(problems.question) { samples: samples, max_tokens: 3 }
rollout ended ~ guide(problems.question + prefix(own.text, share)) { samples: 1, max_tokens: 3 }

# the guide begins, the policy ends
rollout begun ~ guide(problems.question) { samples: samples, max_tokens: 3 }
rollout taken ~ actor(problems.question + prefix(begun.text, share)) { samples: 1, max_tokens: 3 }

reward handed_over = text.ends_with(ended.text, problems.answer)
reward taken_over = text.ends_with(taken.text, problems.answer)

## How many of the policy's own tokens stand before the place where the guide goes on.
let kept = floor(share * text.length(own.text))
let rolled_in = is_rolled_in(position(own), kept)

let own_before = value(guided, own)
let own_target = first(handed_over, per: prompt)
let own_advantage =
  normalize(where(rolled_in, own_target - own_before, absent), per: batch, guard: 1e-8)

let each = at_last(taken_over, taken) - kl_weight * k1(actor, ref, taken)
let before = value(v, taken)
let raw = gae(each, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

## Whether a place lies before the one where the other goes on.
fn is_rolled_in(place: Real, kept: Real) -> Bool = place < kept

objective teaching for guide {
  minimize nll: nll_token_mean(guide, shown)
}

objective aggrevated for actor {
  let ratio = exp(logp(actor, own) - own.logp)
  maximize surrogate: mean(clipped(ratio, own_advantage, 0.8 .. 1.2), where: rolled_in)
}
objective guided_values for guided {
  minimize error: mean((value(guided, own) - own_target) ^ 2, where: rolled_in)
}

objective plus_plus for actor {
  let ratio = exp(logp(actor, taken) - taken.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}
objective values for v {
  minimize error: mean(clipped_value_loss(value(v, taken), before, target, 0.2))
}

train {
  stage guide {
    repeat warm {
      draw 32 rows
      update guide with teaching { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage aggrevated {
    repeat steps {
      draw prompts prompts
      update actor with aggrevated {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
      update guided with guided_values {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage plus_plus {
    repeat steps {
      draw prompts prompts
      update actor with plus_plus {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "what the one trains of an answer is what the other does not" {
  let place = [0, 1, 2, 3, 4] @ token
  expect is_rolled_in(place, 2) == [1, 1, 0, 0, 0]
  expect where(is_rolled_in(place, 2), 1, 0) + where(not is_rolled_in(place, 2), 1, 0)
    == [1, 1, 1, 1, 1]
}

test "an episode that begins at the prompt has no roll-in" {
  expect is_rolled_in([0, 1] @ token, 0) == [0, 0]
}

## C2-Evo: data and model evolve in turns; what the model half knows is made harder and learned next.
## Paper: "C2-Evo: Co-Evolving Multimodal Data and Model for Self-Improving Reasoning" (2025).
##
## A round: how often the model of the round's start fails on a problem is measured; problems that it always or never solves are
## left out; worked answers of the rest are imitated, then GRPO learns from the rest with a verifier and a little for the form. The
## next round goes on with the problems that the new model still fails at such a rate, each rewritten into a harder one.
## The paper: geometry problems rewritten by changing the code that draws them, checked by majority; SFT, then GRPO, for each of a
## few rounds. The band is not published; 0 and 1 are left out here.
## Stands in: a word that gets another letter for a problem that is rewritten.

import std.choice (text_where)
import std.supervised (nll)
import std.surrogate (clipped)

param lowest: Real in [0, 1) = 0
param highest: Real in (0, 1] = 1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 16
param warm: Int in [1, 1000] = 10
param steps: Int in [1, 100000] = 10

data questions from python("tasks.words:questions", count: 512, letters: 2) { question: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy last = frozen(actor)

extern fn is_right(question: Text, text: Text) -> Real in {0, 1} = python("tasks.words:is_right")
extern fn deeper(question: Text) -> Text = python("tasks.words:deeper")
extern fn worked(question: Text) -> Text = python("tasks.words:worked")

rollout probe ~ last(questions.question) { samples: samples, max_tokens: 3 }
rollout y ~ actor(questions.question) { samples: samples, max_tokens: 3 }

let half_known = is_half_known(is_right(questions.question, probe.text), lowest, highest)
let item =
  text_where(half_known, deeper(questions.question))
  + text_where(not half_known, questions.question)

rollout harder_probe ~ last(item) { samples: samples, max_tokens: 3 }
rollout z ~ actor(item) { samples: samples, max_tokens: 3 }

let harder_half_known = is_half_known(is_right(item, harder_probe.text), lowest, highest)

response shown = worked(questions.question) given questions.question
response harder_shown = worked(item) given item

reward total =
  is_right(questions.question, y.text) + 0.1 * verify.regex(y.text, "[abcd]+", match: whole)
reward harder_total = is_right(item, z.text) + 0.1 * verify.regex(z.text, "[abcd]+", match: whole)

let advantage = normalize(total, per: prompt, guard: 1e-4)
let harder_advantage = normalize(harder_total, per: prompt, guard: 1e-4)

## Whether the share of wrong answers to a problem lies strictly between two bounds.
fn is_half_known(correct: Real @ sample, low: Real, high: Real) -> Bool @ prompt = {
  let error = 1 - mean(correct, per: prompt)
  error > low and error < high
}

objective first_imitation for actor {
  minimize nll: mean(nll(actor, shown), where: half_known) else 0
}

objective first_reinforcement for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(
    mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample),
    where: half_known
  )
    else 0
}

objective second_imitation for actor {
  minimize nll: mean(nll(actor, harder_shown), where: harder_half_known) else 0
}

objective second_reinforcement for actor {
  let ratio = exp(logp(actor, z) - z.logp)
  maximize surrogate: mean(
    mean(clipped(ratio, harder_advantage, 0.8 .. 1.2), per: sample),
    where: harder_half_known
  )
    else 0
}

train {
  stage first_imitation {
    repeat warm {
      draw 16 prompts
      update actor with first_imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
  stage first_reinforcement {
    repeat steps {
      draw prompts prompts
      update actor with first_reinforcement {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  reset last to actor
  stage second_imitation {
    repeat warm {
      draw 16 prompts
      update actor with second_imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
  stage second_reinforcement {
    repeat steps {
      draw prompts prompts
      update actor with second_reinforcement {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "problems that are always or never solved go into no round" {
  let correct = [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]] @ sample
  expect where(is_half_known(correct, 0, 1), 1, 0) == [0, 0, 1, 1]
  expect where(is_half_known(correct, 0.5, 1), 1, 0) == [0, 0, 1, 0]
}

test "only what is half known is made harder" {
  let question = ["ca>", "db>"] @ prompt
  let chosen = [1, 0] @ prompt
  let item = text_where(chosen > 0, deeper(question)) + text_where(chosen == 0, question)
  expect verify.equal(item, ["cad>", "db>"] @ prompt) == [1, 1]
  expect is_right("cad>", worked("cad>")) == 1
}

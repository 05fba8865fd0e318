## Optima (iSFT): two agents that solve a task in few, readable words, by imitating the best of their own conversations.
## Paper: Chen et al. 2024, "Optima: Optimizing Effectiveness and Efficiency for LLM-Based Multi-Agent System".
##
## A conversation is worth its task reward, less a share for its length relative to the longest of the same task, plus a share for how
## readable its worst turn is to the base model (1 over its largest loss). Generate, rank, select, train: of the conversations of
## each task the best is kept where it is worth more than `bar`, and imitated by both agents, which share their weights.
## The paper: weights 0.4 for tokens and 0.7 or 1 for the loss, by task; the code sets the token term to -1 for very short and
## the loss term to -1 for very long conversations. iDPO makes pairs of siblings in a tree of turns instead; trees are
## not drawn yet. Here one turn of each agent, and the bar is low, since the agents start untrained.

import std.supervised (nll_token_mean)

param token_weight: Real in [0, 10] = 0.4
param loss_weight: Real in [0, 10] = 1
param bar: Real = 0.3
param samples: Int in [1, 64] = 8
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 10
param steps: Int in [1, 100000] = 15

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

# what one agent says may hold the token `<pad>`, whose letters the other's prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdp<>/"))
policy base = frozen(actor)
policy last = frozen(actor)

response shown = problems.solution given problems.question

rollout opening ~ last(problems.question) { samples: samples, max_tokens: 3 }
rollout closing ~ last(problems.question + opening.text + "/") { samples: 1, max_tokens: 3 }

reward task = text.ends_with(closing.text, problems.answer)

let opening_loss = -mean(logp(base, opening), per: sample)
let worst_loss = max(opening_loss, -mean(logp(base, closing), per: sample))
let tokens = opening.length + closing.length
let conversation = first(task, per: prompt)
let length = first(tokens, per: prompt)
let readable = first(worst_loss, per: prompt)

reward worth =
  conversation_worth(
    conversation,
    length / max(length, per: prompt),
    readable,
    token_weight,
    loss_weight
  )

let kept = top(worth, 1, per: prompt) and worth > bar

## The task's reward, less a share of the relative length, plus a share of 1 over the worst turn's loss.
fn conversation_worth(
  task: Real,
  length: Real,
  loss: Real,
  tokens: Real,
  readability: Real
) -> Real = task - tokens * length + readability / max(loss, 1e-6)

objective cold_start for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective imitation for actor {
  minimize opening: -mean(logp(actor, opening), where: kept)
  minimize closing: -mean(logp(actor, closing), where: kept)
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update actor with cold_start { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset base to actor
  repeat 2 {
    reset last to actor
    stage round {
      repeat steps {
        draw prompts prompts
        update actor with imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      }
    }
  }
}

test "0.8 for the task, 120 of 300 tokens, a worst loss of 4" {
  expect conversation_worth(0.8, 120 / 300, 4, 0.4, 1) == 0.89 within 1e-12
}

test "without the two weights it is the task's reward: rejection sampling" {
  let task = [1, 0] @ sample
  expect conversation_worth(task, 1, 2, 0, 0) == task
}

## WebAgent-R1 (M-GRPO): trajectories of browser actions, each action scored in a context that forgets what pages looked like.
## Paper: Wei et al. 2025, "WebAgent-R1: Training Web Agents via End-to-End Multi-Turn Reinforcement Learning".
##
## After behaviour cloning, groups of trajectories of one task are compared by their success. Every token's clipped term is
## averaged within its action, actions within their trajectory, trajectories within the batch, so that a long action counts as a
## short one. Before each action all earlier pages are replaced by a placeholder, while the actions stay.
## The paper: groups in parallel browsers, KL 1e-3, ratio in 0.8 .. 1.2, lr 1e-6, temperature 1.
## Here up to three actions, each a rollout of its own after the compressed context; what follows the end of a trajectory is
## drawn and not counted. Stands in: a lookup of facts for the browser, `_` for a page that was forgotten.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data questions from python("tasks.lookup:questions", count: 512) {
  question: Text
  answer:   Text target
  call:     Text
}

# an action may hold the token `<pad>`, whose letters the next context needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))
policy ref = frozen(actor)

response cloned = questions.call given questions.question

extern fn look_up(text: Text) -> Text = python("tasks.lookup:look_up")
extern fn answers(text: Text) -> Int in [0, inf) = python("tasks.lookup:answers")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")

extern fn kept_text(keep: Bool, text: Text) -> Text = python("tasks.lookup:kept_text")

rollout a ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout b ~ actor(a.prompt + a.text + look_up(a.text) + ">") { samples: 1, max_tokens: 3 }
rollout c ~ actor(a.prompt + a.text + "_" + b.text + look_up(b.text) + ">") {
  samples: 1
  max_tokens: 3
}

let goes_on_b = answers(a.text) == 0
let goes_on_c = goes_on_b and answers(b.text) == 0

reward success =
  is_right(a.text + kept_text(goes_on_b, b.text) + kept_text(goes_on_c, c.text), questions.answer)

let outcome = first(first(success, per: prompt), per: prompt)
let advantage = normalize(outcome, per: prompt, guard: 1e-4)
let actions =
  1
  + first(where(goes_on_b, 1, 0), per: prompt)
  + first(first(where(goes_on_c, 1, 0), per: prompt), per: prompt)

## A token's term: the clipped surrogate less the KL.
fn action_term(
  log_ratio: Real @ token,
  penalty: Real @ token,
  advantage: Real,
  beta: Real
) -> Real @ sample =
  mean(clipped(exp(log_ratio), advantage, 0.8 .. 1.2) - beta * penalty, per: sample)

## The share of one action in the mean over those of its trajectory.
fn among_actions(term: Real, counts: Bool, actions: Real) -> Real = where(counts, term / actions, 0)

objective cloning for actor {
  minimize nll: nll_token_mean(actor, cloned)
}

objective m_grpo for actor {
  let term_a = action_term(logp(actor, a) - a.logp, k3(actor, ref, a), advantage, beta)
  let term_b = action_term(logp(actor, b) - b.logp, k3(actor, ref, b), advantage, beta)
  let term_c = action_term(logp(actor, c) - c.logp, k3(actor, ref, c), advantage, beta)
  maximize a: mean(among_actions(term_a, actions >= 1, actions))
  maximize b: mean(among_actions(term_b, goes_on_b, actions))
  maximize c: mean(among_actions(term_c, goes_on_c, actions))
}

train {
  stage cloning {
    repeat warm {
      draw 32 rows
      update actor with cloning { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage m_grpo {
    repeat steps {
      draw prompts prompts
      update actor with m_grpo {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "of two actions with 1 and 9 tokens each weighs a half, a token of the second 1/18" {
  let short = live([[0]] @ token)
  let term = action_term(short, 0 * short, 1, 0)
  expect gradient(sum(among_actions(term, term > -1, 2)), of: short) == [[0.5]]
}

test "a token of nine weighs 0.0556" {
  let long = live([[0, 0, 0, 0, 0, 0, 0, 0, 0]] @ token)
  let term = action_term(long, 0 * long, 1, 0)
  expect max(gradient(sum(among_actions(term, term > -1, 2)), of: long)) == 0.0555555556 within 1e-9
}

test "a trajectory of one action is GRPO" {
  let d = [[0.1, -0.3, 0.05]] @ token
  expect among_actions(action_term(d, 0 * d, 0.7, 0), mean(d, per: sample) < 1, 1)
    == mean(clipped(exp(d), 0.7, 0.8 .. 1.2), per: sample)
}

## VRAG-RL: searching, looking closer and answering, paid for the answer, the form, and how early the right page came.
## Paper: Wang et al. 2025, "VRAG-RL: Empower Vision-Perception-Based RAG for Visually Rich Information Understanding via Iterative
## Reasoning with Reinforcement Learning".
##
## A trajectory searches (a page comes back), cuts out a part of a page, or answers. It earns `0.7 answer + 0.1 form + 0.2 nDCG` of the
## pages in the order in which they were found, and nothing unless it has both a search and an answer. Observations are no tokens of
## the policy.
## The paper: at most 4 turns, 5 answers, KL (k3) 0.01, lr 1e-6, a language model as the judge of answers, a supervised start.
## Here two searches and an answer, each a rollout of its own. Stands in: a lookup of facts for pages, and equality for the judge.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 0.01
param samples: Int in [2, 64] = 5
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data questions from python("tasks.lookup:questions", count: 512) {
  question: Text
  answer:   Text target
  page:     Text target
  call:     Text
}

# an action may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd123?=()x_p<>"))
policy ref = frozen(actor)

response shown = questions.call given questions.question

extern fn look_up(text: Text) -> Text = python("tasks.lookup:look_up")
extern fn calls(text: Text) -> Int in [0, inf) = python("tasks.lookup:calls")
extern fn answers(text: Text) -> Int in [0, inf) = python("tasks.lookup:answers")
extern fn is_right(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.lookup:is_right")
extern fn ndcg(first: Text, second: Text, page: Text) -> Real in [0, 1] = python(
  "tasks.lookup:ndcg"
)

rollout a ~ actor(questions.question) { samples: samples, max_tokens: 3 }
rollout b ~ actor(a.prompt + a.text + look_up(a.text)) { samples: 1, max_tokens: 3 }
rollout c ~ actor(b.prompt + b.text + look_up(b.text)) { samples: 1, max_tokens: 3 }

reward total =
  search_reward(
    is_right(c.text, questions.answer),
    verify.regex(c.text, "=[123]"),
    ndcg(a.text, b.text, questions.page),
    calls(a.text + b.text) > 0 and answers(c.text) > 0
  )

let outcome = first(first(total, per: prompt), per: prompt)
let advantage = normalize(outcome, per: prompt, guard: 1e-4)

## The weighted sum, for trajectories that searched and answered.
fn search_reward(answer: Real, form: Real, order: Real, complete: Bool) -> Real =
  where(complete, 0.7 * answer + 0.1 * form + 0.2 * order, 0)

objective supervised for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective vrag for actor {
  maximize first_search: mean(clipped(exp(logp(actor, a) - a.logp), advantage, 0.8 .. 1.2))
  maximize second_search: mean(clipped(exp(logp(actor, b) - b.logp), advantage, 0.8 .. 1.2))
  maximize final: mean(clipped(exp(logp(actor, c) - c.logp), advantage, 0.8 .. 1.2))
  minimize kl: beta * (mean(k3(actor, ref, a)) + mean(k3(actor, ref, b)) + mean(k3(actor, ref, c)))
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage search {
    repeat steps {
      draw prompts prompts
      update actor with vrag { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "the right page found second, a right answer in good form" {
  # 0.2 / log2(3)
  let complete = [1] @ sample
  expect search_reward(1, 1, 0.6309297536, complete > 0) == [0.9261859507] within 1e-9
}

test "found first it is 1, and an answer without a search is 0" {
  let complete = [1, 0] @ sample
  expect search_reward(1, 1, 1, complete > 0) == [1, 0] within 1e-12
}

test "the right page found second and first, by the calls" {
  let first = ["?b", "?a"] @ sample
  let order = ndcg(first, "?a", "a")
  expect search_reward(is_right("=1", "1"), 1, order, answers("=1") > 0)
    == [0.9261859507, 1] within 1e-9
}

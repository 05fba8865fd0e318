## MEL: what went wrong, said in words by the policy itself, checked by solving again, and learned by heart.
## Paper: "Internalizing Meta-Experience into Memory for Guided Reinforcement Learning in Large Language Models" (2025).
##
## Of a group with right and wrong answers the policy compares one of each: where they part, why the one fails, what to remember.
## With that experience in the prompt it solves the problem again; where it succeeds, the experience is kept, and its tokens are
## made likelier under the prompt that it was written for, each experience counting the same whatever its length. GRPO goes on as
## ever. Nothing is retrieved when the policy is used.
## The paper: 8 answers at temperature 1, ratio in 0.8 .. 1.2, the likelihood with weight 1, 128 prompts, lr 1e-6.
## Here a pair is the first right and the first wrong answer, and `!` asks for an experience.

import std.choice (is_first, text_of)
import std.supervised (nll)
import std.surrogate (clipped)

param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param steps: Int in [1, 100000] = 15

data questions from python("tasks.words:questions", count: 512) { question: Text }

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd|!<p>"))

extern fn is_right(question: Text, text: Text) -> Real in {0, 1} = python("tasks.words:is_right")

rollout y ~ actor(questions.question) { samples: samples, max_tokens: 3 }

reward correct = is_right(questions.question, y.text)

let right = text_of(y.text, is_first(correct, per: prompt), per: prompt) else ""
let wrong = text_of(y.text, is_first(1 - correct, per: prompt), per: prompt) else ""

rollout experience ~ actor(questions.question + right + "|" + wrong + "!") {
  samples: 1
  max_tokens: 4
}
rollout replay ~ actor(questions.question + experience.text + ">") { samples: 1, max_tokens: 3 }

response memory = experience.text given experience.prompt

reward replayed = is_right(questions.question, replay.text)

let advantage = normalize(correct, per: prompt, guard: 1e-4)
let kept = is_kept(correct, first(first(replayed, per: prompt), per: prompt))

## Whether an experience is learned: its group disagrees, and with it the problem was solved.
fn is_kept(correct: Real @ sample, replayed: Real @ prompt) -> Bool @ prompt =
  max(correct, per: prompt) > min(correct, per: prompt) and replayed > 0

## The mean loss of the tokens of an experience, where it is kept; 0 elsewhere.
fn remembered(loss: Real @ token, kept: Bool) -> Real = where(kept, mean(loss, per: sample), 0)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize memory: mean(remembered(nll(actor, memory), kept))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with grpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "groups that agree give no experience, nor does one whose replay fails" {
  let correct = [[1, 1], [0, 0], [1, 0], [0, 1]] @ sample
  expect where(is_kept(correct, [1, 1, 0, 1] @ prompt), 1, 0) == [0, 0, 0, 1]
}

test "an experience that is not kept has no gradient, and length does not matter" {
  let loss = live([[[2, 1]], [[3]], [[1, 1, 4]]] @ token)
  let kept = [1, 0, 1] @ prompt
  expect remembered(loss, kept > 0) == [[1.5], [0], [2]]
  expect gradient(sum(remembered(loss, kept > 0)), of: loss)
    == [[[0.5, 0.5]], [[0]], [[0.3333333333, 0.3333333333, 0.3333333333]]] within 1e-9
}

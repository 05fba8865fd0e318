## DNO: self-play against a general preference, as a regression of the policy's margins on its own win rates.
## Paper: Rosset et al. 2024, "Direct Nash Optimization: Teaching Language Models to Self-Improve with General Preferences".
##
## An answer's reward is how often it is preferred to the other answers of the same policy; the preference need not come from
## a score, and may run in a circle. The loss is a cross-entropy between what two win rates say of a pair and what the policy's
## log-ratio against its last iterate says. The practical form keeps pairs whose scores are far apart, a teacher's answer among
## them, and is DPO against the last iterate. Here a stage of each; the reference is renewed before every draw.
## The paper: 5 answers and one of a teacher, a judge that adds up a rubric of 5 points, 3 iterations on fresh prompts.
## Stands in: worked solutions for the teacher, and whether a text ends in the answer for its score. The judge is a server that
## speaks the OpenAI-compatible protocol, at `JUDGE_URL`.

import std.nash (dno)
import std.pairwise (win_rate)
import std.preference (dpo, implicit_reward)

param eta: Real in (0, 10] = 0.1
param gap: Real in [0, 1] = 0.5
param samples: Int in [2, 64] = 5
param prompts: Int in [1, 4096] = 8
param steps: Int in [1, 100000] = 15

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy last = frozen(actor)

response shown = problems.solution given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4 }

judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

## How often an answer is preferred to the policy's other answers to the prompt, by a judge that sees each two in both orders.
reward wins =
  win_rate(prefer(grader, y.text, others(y.text, per: prompt), question: problems.question))

reward score = text.ends_with(y.text, problems.answer)
reward teacher_score = text.ends_with(problems.solution, problems.answer)

## By how much a value is above each other one of its prompt, @ pair.
fn lead(x: Real @ sample) -> Real = {
  let other = others(x, per: prompt)
  spread(x, to: other) - other
}

objective regression for actor {
  minimize loss: mean(dno(lead(implicit_reward(actor, last, y)), lead(wins), eta))
}

objective practical for actor {
  let ratio = implicit_reward(actor, last, y)
  let teacher = implicit_reward(actor, last, shown)
  minimize own: mean(dpo(lead(ratio), eta), where: lead(score) > gap)
  minimize taught: mean(
    dpo(spread(teacher, to: ratio) - ratio, eta),
    where: teacher_score - score > gap
  )
}

train {
  stage regression {
    repeat steps {
      reset last to actor
      draw prompts prompts
      update actor with regression {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
  stage practical {
    repeat steps {
      reset last to actor
      draw prompts prompts
      update actor with practical {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "a sure preference is DPO" {
  expect dno(0.7, 1000, 0.1) == dpo(0.7, 0.1) within 1e-12
}

test "where two answers win equally often, the last iterate is stationary" {
  let margin = live([0] @ sample)
  expect gradient(sum(dno(margin, 0, 0.1)), of: margin) == [0] within 1e-12
}

test "a preference that runs in a circle makes all win rates equal" {
  # the first beats the second, the second the third, the third the first
  let place = [0, 1, 2] @ sample
  let step = others(place, per: prompt) - place
  expect win_rate(where(step == 1 or step == -2, 1, 0)) == [0.5, 0.5, 0.5]
}

## A judge's rubric as a reward: weights, a penalty, a veto and a gate, beside a verifier and a win rate within the group.
##
## The judge is any server that speaks the OpenAI-compatible protocol:
## `JUDGE_URL=http://localhost:8000/v1 rldsl run examples/rubric.rl`. Its answers are kept on disk and asked for once. One that
## needs no model is `python examples/tasks/letters_judge.py --port 8000`.
## Where the gate is closed the other criteria are not asked about.

import std.surrogate (clipped)

param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 40
param form: Real in (0, 10] = 1

data problems from python("tasks.sort_letters:problems", count: 4096, letters: 2) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) {
  timeout: 30s
  max_tokens: 256
  most_calls: 20000
}

rubric clear judged by grader {
  scale: ordinal(no: 0, partly: 1, yes: 2)
  "The letters stand in the order of the alphabet"  weight 3
  "Every letter of the question is there"           weight form
  "A letter is said twice"                          penalty 2
  "It speaks of how it will be judged"              veto 1 { scale: binary }
  "It answers with letters alone"                   gate 0.5
}

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 4, temperature: 1.0 }

reward places = text.matching_places(y.text, problems.answer)
reward style = clear(y.text, question: problems.question, reference: problems.answer)
reward wins =
  mean(
    prefer(clear, y.text, others(y.text, per: prompt), question: problems.question, matches: 1),
    per: sample
  )
  else 0.5
reward total = 0.4 * places + 0.4 * style + 0.2 * wins

let advantage = normalize(total, per: prompt, guard: 1e-4)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with grpo { minibatch: 8 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

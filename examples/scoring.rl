## Scores answers that exist already, and trains nothing:
## `rldsl score examples/scoring.rl examples/tasks/answers.jsonl`. What is right counts, and of that the half by how it is said.

data problems from jsonl("tasks/answers.jsonl") {
  prompt: Text
  answer: Text target
}

policy writer from hf("models/writer")

rollout y ~ writer(problems.prompt) { samples: 4, max_tokens: 200 }

param manner: Real in [0, 1] = 0.5

extern fn plain(text: Text) -> Real in [0, 1] = python("tasks.wording:plain_words") { timeout: 5s }

reward correct = verify.number(y.text, problems.answer)
reward form = verify.regex(y.text, "Answer: -?[0-9.]+$")
reward brief = 1 - clip(text.words(y.text) / 40, 0 .. 1)
reward fresh = 1 - text.repetition(y.text, n: 3)
reward wording = plain(y.text)
reward style = 0.4 * form + 0.3 * brief + 0.1 * fresh + 0.2 * wording
reward total = correct * (1 - manner + manner * style)
reward chatter held out = text.words(y.text)

let said = text.number(y.text) else skip
let usual = mean(correct, per: prompt)

param limit: Real in [0, 60] = 5s

extern fn rated(text: Text) -> Real in [0, 1] = python("tasks:rated") { timeout: 500ms }
extern fn fine(text: Text) -> Real in [0, 1] = python("tasks:fine") { timeout: limit }

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16, staleness: 2m }

reward correct = verify.math(y.text, problems.answer, timeout: limit)
reward other = rated(y.text) + fine(y.text)

objective pg for actor {
  maximize surrogate: mean((correct + other) * logp(actor, y))
}

train {
  repeat 1 {
    draw 8 prompts
    update actor with pg { optimizer: adamw(lr: 1e-6) }
  }
}

param limit: Real in [0, 60] = 5s

extern fn rated(text: Text) -> Real in [0, 1] = python("tasks:rated") { timeout: 2 }
extern fn fine(text: Text) -> Real in [0, 1] = python("tasks:fine") { timeout: limit }

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16, temperature: 1s }

reward correct = verify.math(y.text, problems.answer, timeout: 0.5)
reward other = rated(y.text) + fine(y.text)

objective pg for actor {
  maximize surrogate: mean((correct + other) * logp(actor, y))
}

train {
  repeat 1 {
    draw 8 prompts
    update actor with pg { minibatch: 24, optimizer: adam(lr: 3e-6, betas: [0.9, 0.95]) }
    update actor with pg { minibatch: 12 tokens, optimizer: sgd(lr: 3e-6, momentum: 0.9) }
  }
}

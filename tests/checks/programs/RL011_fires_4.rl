data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

objective pg for actor {
  maximize surrogate: mean(correct * logp(actor, y))
}

train {
  repeat 1 {
    draw 8 prompts
    update actor with gp { minibatch: 8 prompts, optimizer: adam(lr: 3e-6, betas: [0.9, 0.95]) }
  }
}

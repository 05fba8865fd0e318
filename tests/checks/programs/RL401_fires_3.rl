data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
scorer rm from hf("judge")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward good = score(rm, y)
let advantage = good - mean(good, per: prompt)
objective pg for actor {
  maximize surrogate: mean(advantage * logp(actor, y))
}
train {
  repeat 10 {
    draw 64 prompts
    update actor with pg { minibatch: 16 prompts, optimizer: adamw(lr: 1e-6) }
  }
}

# The snapshot is renewed before each draw: it is what drew the samples.
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy old = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
let advantage = correct - mean(correct, per: prompt)
objective pg for actor {
  let ratio = exp(logp(actor, y) - logp(old, y))
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}
train {
  repeat 10 {
    reset old to actor
    draw 64 prompts
    update actor with pg { minibatch: 8 prompts, optimizer: adamw(lr: 1e-6) }
  }
}

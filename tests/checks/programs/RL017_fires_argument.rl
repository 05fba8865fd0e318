data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)
objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}
train { repeat 10 { draw 64 prompts  update actor with pg { minibatch: 16 prompts, lr: 1e-3 } } }

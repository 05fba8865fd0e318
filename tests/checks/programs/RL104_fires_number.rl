param prompts: Int in [1, 64] = 32
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  hard: Real }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompts) + 1e-4)
objective pg for actor {
  maximize surrogate: mean(exp(logp(actor, y) - y.logp) * advantage)
}
train { repeat 5 { draw prompts prompts  update actor with pg { optimizer: adamw(lr: 1e-3) } } }

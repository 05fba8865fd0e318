data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  score: Real }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
response win = pairs.chosen given pairs.prompt
reward correct = verify.math(y.text, problems.answer)
let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: sample) + 1e-4 else 1)
objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}

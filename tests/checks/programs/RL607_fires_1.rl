data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward honest held out = verify.math(y.text, problems.answer)
reward style = text.contains(y.text, "so")
reward total = honest + style
let advantage = total - mean(total, per: prompt)
objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}

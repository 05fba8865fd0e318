data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
reward strict held out = verify.equal(y.text, problems.answer)
state seen: Real = 0
seen <- seen + mean(strict)
let advantage = correct - mean(correct, per: prompt) + seen
objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}

param strength: Real in [0, 1] = 0.0002

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4096, min_tokens: 96 }

reward correct = verify.math(y.text, problems.answer)
reward total = correct - strength * y.length + 1 / max(-mean(y.logp, per: sample), 1e-6)

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}

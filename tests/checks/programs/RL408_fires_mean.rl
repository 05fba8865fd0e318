data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

param radius: Real in [0, 1] = 0.2

objective pg for actor {
  let r = mean(logp(actor, y) - y.logp, per: sample)
  maximize surrogate: mean(min(r * advantage, clip(r, 1 - radius .. 1 + radius) * advantage))
}

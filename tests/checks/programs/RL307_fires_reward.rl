data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

reward near = correct - 0.1 * sum(logp(actor, y) - logp(actor, y), per: sample)

let gain = near - mean(near, per: prompt)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * gain, clip(ratio, 0.8 .. 1.2) * gain))
}

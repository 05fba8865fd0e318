data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4096, min_tokens: 96 }

reward correct = verify.math(y.text, problems.answer)
reward total =
  correct - 0.002 * (y.length - 96) - sum(tv(actor, ref, y), per: sample) / 4096 + y.length / 4096

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}

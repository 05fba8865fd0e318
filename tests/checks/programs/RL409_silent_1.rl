import std.surrogate (clipped)

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

objective pg for actor {
  let d = logp(actor, y) - y.logp
  let r = exp(d)
  let flipped = exp(d + y.logp - frozen(logp(actor, y)))
  maximize surrogate: mean(clipped(r, advantage, 0.8 .. 1.2))
  maximize weighed: mean(frozen(exp(-d)) * advantage * logp(actor, y))
  maximize early: mean(flipped * frozen(clip(exp(-d), 0.5 .. 2)) * advantage)
  minimize stay: mean(exp(-d) - 1 + d)
  minimize near: mean(exp(logp(ref, y) - logp(actor, y)) + logp(actor, y) - logp(ref, y))
  maximize normalised: mean(advantage * r / mean(r, per: batch))
}

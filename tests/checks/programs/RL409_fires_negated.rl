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
  maximize gain: mean(advantage / (1 / exp(-d)))
  maximize other: mean(clip(exp(-d), 0.8 .. 1.2) * advantage)
}

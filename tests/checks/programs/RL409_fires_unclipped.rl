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
  maximize gain: mean(exp(y.logp - logp(actor, y)) * advantage)
}

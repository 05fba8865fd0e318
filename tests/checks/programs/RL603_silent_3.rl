data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
reward style = text.matching_places(y.text, problems.answer)
reward form = verify.regex(y.text, "[0-9]+")
reward total = 0.5 * correct + 0.5 * style - 0.1 * form
let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)
objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
}

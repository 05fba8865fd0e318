data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

policy teacher from hf("teacher")

let prefers = clip(logp(teacher, y) - logp(ref, y), 0.1 .. 5)
let surprise = clip(-mean(y.logp, per: sample), 0.5 .. 2)
let known = clip(exp(y.logp), 0.1 .. 1)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  let unsure = clip(frozen(entropy(actor, y)), 0.5 .. 2)
  maximize surrogate: mean(ratio * advantage * prefers * surprise * known * unsure)
}

import std.divergence (k1)

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }

reward correct = verify.equal(y.text, problems.answer)

let divergence = sum(k1(actor, ref, y), per: sample)
let advantage = correct - mean(correct, per: prompt) - 0.1 * (divergence - mean(divergence))

objective o for actor {
  maximize surrogate: mean(advantage * logp(actor, y))
}

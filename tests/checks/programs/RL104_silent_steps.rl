data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.equal(y.text, problems.answer)

let lines = text.length(split(y.text, at: "\n"))
let parts = text.length(split(y.text, tag: "part"))
let advantage =
  spread(lines, to: token) * spread(mean(y.logp, per: parts), to: y) + mean(y.logp, per: sample)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(ratio * advantage)
}

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
let beaten = correct > others(correct, per: batch)
objective pg for actor {
  maximize surrogate: mean(sum(logp(actor, y), per: sample) * beaten)
}

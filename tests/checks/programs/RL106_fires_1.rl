data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
let rival = others(correct, per: batch)
objective pairs for actor {
  let s = sum(logp(actor, y) - logp(ref, y), per: sample)
  let gap = (correct - rival) - (spread(s, to: rival) - others(s, per: batch))
  minimize error: mean(gap ^ 2)
}

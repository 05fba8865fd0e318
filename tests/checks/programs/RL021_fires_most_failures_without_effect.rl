data problems from jsonl("p.jsonl") {
  question: Text
  answer:   Text target
  size:     Real target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }

reward same = verify.equal(y.text, problems.answer, most_failures: 0.2)
reward near = verify.number(y.text, problems.size, most_failures: 0.2)
reward said = verify.number(y.text, tolerance: 0.1) else 0

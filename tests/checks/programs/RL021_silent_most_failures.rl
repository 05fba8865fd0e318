data problems from jsonl("p.jsonl") {
  question: Text
  answer:   Text target
  size:     Real target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }

reward right = verify.number(y.text, problems.answer, most_failures: 0.2) else 0
reward near = verify.number(y.text, problems.size, tolerance: 0.1)
reward math = verify.math(y.text, problems.answer, most_failures: 0.2) else 0

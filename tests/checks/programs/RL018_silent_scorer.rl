data problems from jsonl("train.jsonl") { question: Text }

policy actor from hf("models/policy")
scorer rm from hf("models/prm") { good: "+", bad: "-" }

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 512 }

reward sound =
  min(
    sigmoid(prm(rm, split(y.text, at: "\n\n"), question: problems.question, tag: " ки")),
    per: sample
  )

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward good = score(actor, y)

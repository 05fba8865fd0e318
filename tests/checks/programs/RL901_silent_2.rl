data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 , greedy: true }
reward correct = verify.math(y.text, problems.answer)

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
scorer rm from hf("judge")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
let steps = value(rm, y)

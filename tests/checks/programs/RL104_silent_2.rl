data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
scorer rm from hf("judge")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward whole = score(rm, y)
reward cut = score(rm, y given problems.question, per: sample)
let steps = score(rm, y, per: token)

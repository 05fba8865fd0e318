data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  score: Real }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
response win = pairs.chosen given pairs.prompt
reward correct = verify.math(y.text, problems.answer)
let worst = min(logp(actor, y), per: token)

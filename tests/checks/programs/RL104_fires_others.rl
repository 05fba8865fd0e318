data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
let lonely = others(mean(correct), per: batch)
let twice = others(others(correct, per: prompt), per: prompt)
let finer = others(correct, per: token)
let itself = others(correct, per: sample)

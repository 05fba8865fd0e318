data problems from reasoning_gym("chain_sum", size: 10) { question: Text  solution: Text }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

data problems from jsonl("p.jsonl") { question: Text }
policy actor from hf("m")
rollout y ~ actor("hello") { samples: 2, max_tokens: 4 }

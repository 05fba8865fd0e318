data problems from jsonl("p.jsonl") { question: Text }

policy actor from hf("model")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL"))

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }

rubric clear judged by gradr { "It is short"  weight 1 }

reward style = clear(y.text)

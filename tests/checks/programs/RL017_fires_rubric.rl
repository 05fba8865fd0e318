data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
rubric a judged by grader { votes: 3, votes_by: mean, mode: together, shuffle: true, shuffle: false  "It is clear" weight 1 { votes: 2 } }

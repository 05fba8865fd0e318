data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
scorer rm from hf("prm")
let s = split(y.text, at: "|")
let a = prm(rm, s)

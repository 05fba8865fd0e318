data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
rubric clear judged by grader {
  "It is clear" weight 1
  "It is clear" weight 2
}
reward style = clear(y.text)

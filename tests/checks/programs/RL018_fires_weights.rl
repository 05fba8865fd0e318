data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
param share: Real in [0, 1] = 0.5
param free: Real = 3
rubric a judged by grader { "It is clear" weight 0 }
rubric b judged by grader { "It is clear" weight 1  "It lies" penalty -1 }
rubric c judged by grader { "It is clear" weight free }
rubric d judged by grader { "It is clear" weight y.length }
rubric e judged by grader { "It lies" veto 2 }
rubric f judged by grader { "It lies" gate share }
rubric g judged by grader { "" weight 1 }

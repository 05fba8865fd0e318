data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
rubric a judged by grader { scale: 10 .. 1  "It is clear" weight 1 }
rubric b judged by grader { scale: 0 .. 1.5  "It is clear" weight 1 }
rubric c judged by grader { scale: ordinal(no: 0, yes: 0)  "It is clear" weight 1 }
rubric d judged by grader { scale: ordinal("no", "no")  "It is clear" weight 1 }
rubric e judged by grader { scale: ordinal(no, yes: 1)  "It is clear" weight 1 }
rubric f judged by grader { scale: 5  "It is clear" weight 1 }
rubric g judged by grader { "It is clear" weight 1 { scale: stars } }

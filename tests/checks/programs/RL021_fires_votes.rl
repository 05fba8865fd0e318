data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
rubric a judged by grader { votes: 3  "It is clear" weight 1 }
rubric b judged by grader { votes_by: mean  "It is clear" weight 1 }
rubric c judged by grader { scale: 1 .. 5  "It lies" veto  "It is clear" gate }
rubric d judged by grader { votes: 3, votes_by: mean  "It lies" veto }
reward e = a()
reward f = a(y.text, "no name")
reward g = a(y.text, question: problems.question, question: problems.answer)
reward h = a(y.text, criterion: problems.answer)
let v = verdicts(grader, y.text)
let w = weights()
reward i = prefer(grader, y.text)
reward j = prm(grader)

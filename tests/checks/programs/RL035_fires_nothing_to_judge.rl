data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
rubric none judged by grader {}
rubric uncalled judged by grader {}
rubric faults judged by grader { "It lies" penalty 2  "It is cruel" veto }
param share: Real in [0, 1] = 0.5
rubric perhaps judged by grader { "It is clear" weight share }
rubric clear judged by grader { "It is clear" weight 1 }
rubric open judged by grader { "It is on the question" gate }
reward a = none(y.text)
reward b = clear(y.text, criteria: problems.rubrics)
let c = verdicts(open, y.text)

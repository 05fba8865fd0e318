data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
rubric none judged by grader {}
let p = prefer(actor, y.text, others(y.text, per: prompt))
let q = prefer(none, y.text, others(y.text, per: prompt))
let r = prefer(problems, y.text, others(y.text, per: prompt))
let s = prm(actor, y.text)
let t = none(y.text, criteria: problems.rubrics)

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
let s = split(y.text, at: "|")
let a = prm(grader, answer(s, from: boxed))
let b = prm(grader, s, question: problems.question, before: s)
let c = bradley_terry(prefer(grader, y.text, problems.answer), per: prompt)

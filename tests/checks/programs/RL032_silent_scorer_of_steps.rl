data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
scorer rm from hf("prm")
let s = split(y.text, at: "|")
let right = sigmoid(last(score(rm, y, per: token), per: step))
let judged = prm(grader, s, question: problems.question)
reward both = mean(right * judged, per: sample)
let alone = prm(rm, s)
let asked = prm(rm, s, question: problems.question, tag: "<extra_0>", join: "")
let found = prm(rm, split(problems.answer, pattern: "\n+"), question: problems.question, tag: " +")
reward least = min(alone + asked, per: sample) + spread(min(found, per: prompt), to: y)

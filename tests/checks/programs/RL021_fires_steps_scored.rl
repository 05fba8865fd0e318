data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
scorer rm from hf("prm")
critic v from hf("critic")
let s = split(y.text, at: "|")
let a = prm(rm, s, reference: problems.answer)
let b = prm(rm, s, question: problems.question, question: problems.question)
let c = prm(rm, s, tags: "+")
let d = prm(rm)

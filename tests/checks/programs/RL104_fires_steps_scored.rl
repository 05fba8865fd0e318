data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
scorer rm from hf("prm")
critic v from hf("critic")
let s = split(y.text, at: "|")
let a = prm(rm, y.text)
let b = prm(rm, answer(s, from: boxed))
let c = prm(rm, split(answer(y.text, from: boxed), at: "|"))
let d = prm(rm, s, question: s)
let e = prm(rm, y)

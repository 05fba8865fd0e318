data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
scorer rm from hf("prm")
critic v from hf("critic")
let s = split(y.text, at: "|")
let a = prm(actor, s)
let b = prm(v, s)
let c = prm(rm(s), s)

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
scorer rm from hf("prm")
reward least = min(prm(rm, split(y.text, at: "|")), per: sample)
test "a scorer is not asked here" {
  let s = split(["a|b"] @ sample, at: "|")
  expect prm(rm, s) == [[0, 1]]
}

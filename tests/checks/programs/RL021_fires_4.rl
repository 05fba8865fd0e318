extern fn graded(text: Text, answer: Text) -> Real in [0, 1] = python("tasks:graded") { timeout: 2s }

fn scaled(x: Real, by: Real) -> Real = x * by

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward missing = graded(y.text)
reward misspelt = graded(y.text, anser: problems.answer)
reward too_many = graded(y.text, problems.answer, 3)
reward primitive = verify.math(y.text)
reward pattern = verify.regex(y.text)
reward none_given = scaled()
reward one_given = scaled(2)

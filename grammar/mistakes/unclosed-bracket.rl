rollout y ~ actor(problems.question) {
  samples: 8

reward correct = verify.math(y.text, problems.answer)

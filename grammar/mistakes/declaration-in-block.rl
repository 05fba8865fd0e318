objective grpo for actor {
  reward r = verify.math(y.text, problems.answer)
  maximize mean(r)
}

objective grpo for actor {
  maximise mean(x)
}

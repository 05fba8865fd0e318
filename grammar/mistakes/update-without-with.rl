train {
  repeat 200 { update actor using grpo }
}

param prompts: Int = 32
train {
  repeat 3 {
    draw prompts
    update actor with pg { minibatch: 16 prompts }
  }
}

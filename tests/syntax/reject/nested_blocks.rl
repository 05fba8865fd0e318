train {
  repeat 200 {
    draw 64 prompts
    updat actor with grpo { minibatch: 16 }
    every 20 {
      evalute heldout
    }
}

plan { cluster: 1 node of 8 "H100" }

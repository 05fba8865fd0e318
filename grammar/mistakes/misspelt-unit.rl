train { repeat 2 { update actor with grpo { minibatch: 16 promts } } }

data graded from jsonl("graded.jsonl") {
  question:   Text
  completion: Text
  label:      Bool @ sample
}

policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))

response w = graded.completion given graded.question

objective weighted for actor {
  maximize likelihood: mean(logp(actor, w), where: w.label)
}

train {
  repeat 2 {
    draw 4 prompts
    update actor with weighted { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3) }
  }
}

data graded from jsonl("graded.jsonl") {
  question: Text
  label:    Bool @ sample
}

policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))

rollout y ~ actor(graded.question) { samples: 8, max_tokens: 8 }

reward agrees = where(y.label, 1, -1)

let advantage = agrees - mean(agrees, per: prompt)

objective pg for actor {
  maximize surrogate: mean(exp(logp(actor, y) - y.logp) * advantage)
}

train {
  repeat 2 {
    draw 4 prompts
    update actor with pg { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3) }
  }
}

data graded from jsonl("graded.jsonl") {
  question: Text
  label:    Bool @ sample
}

policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))

rollout y ~ actor(graded.question) { samples: 8, max_tokens: 8 }

reward agrees = where(y.label, text.contains(y.text, "a"), 1 - text.contains(y.text, "a"))

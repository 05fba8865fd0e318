# `far` is kept for one sample, where it is ranked, and computed again in a loop over the whole update batch.
data d from jsonl("d.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }
objective o for actor {
  let now = logp(actor, y)
  let far = now - spread(std(now, per: batch), to: token)
  maximize near: mean(where(top(far, 2, per: sample), far, 0) * now)
}

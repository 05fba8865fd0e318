# A cheap value of steps is used by tokens in two loops over the batch: it is kept once, for all of it.
data d from jsonl("d.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }

reward right = verify.equal(y.text, d.answer)

let steps = split(y.text, at: "b")

objective o for actor {
  let at_steps = spread(quantile(logp(actor, y), 0.6, per: step), to: token)
  maximize t0: mean(
    std(each(at_steps, spread(mean(right, per: prompt), to: token), mean(at_steps)), per: token)
      * logp(actor, y)
  )
}

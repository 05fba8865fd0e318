# Tokens to steps and back, twice, with every kind of what looks at more than one place: none of the loops may stand in another.
data d from jsonl("d.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }

let s = split(y.text, at: "b")
let said = text.length(s) / 10

objective o for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  let stepped = exp(mean(logp(actor, y) - y.logp, per: step))
  let centred = logp(actor, y) - spread(mean(logp(actor, y), per: step), to: token)
  maximize there: mean(stepped * said)
    + mean(centred ^ 2 * said)
    + mean(std(logp(actor, y), per: step) else 0)
  minimize back: mean(scan(logp(actor, y), decay: 0.5, from: start, per: step))
    + mean(max(logp(actor, y), per: step) else 0)
  maximize along: mean(rank(logp(actor, y), per: step) * logp(actor, y))
    + mean(quantile(logp(actor, y), 0.3, per: step) else 0)
  maximize again: mean(next(stepped) * stepped)
    + mean(ratio * scan(said, decay: 0.9, from: end, per: sample))
  minimize spread: mean(spread(std(centred, per: step) else 0, to: token) * centred * ratio)
}

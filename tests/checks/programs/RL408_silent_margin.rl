data pairs from jsonl("pairs.jsonl") {
  question: Text
  chosen:   Text
  rejected: Text
}

policy actor from hf("model")
policy ref = frozen(actor)

response win = pairs.chosen given pairs.question for actor
response lose = pairs.rejected given pairs.question for actor

objective dpo for actor {
  let margin =
    sum(logp(actor, win) - logp(ref, win), per: sample)
    - sum(logp(actor, lose) - logp(ref, lose), per: sample)
  minimize loss: mean(-log_sigmoid(0.1 * margin) * frozen(clip(margin, 0.5 .. 2)))
}

data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from hf("model")
policy ref = frozen(actor)
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
objective pg for actor {
  let margin = sum(logp(actor, win) - logp(ref, win), per: sample) - sum(logp(actor, lose) - logp(ref, lose), per: sample)
  minimize loss: mean(-log_sigmoid(0.1 * margin))
}

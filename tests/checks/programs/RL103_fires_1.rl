data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from hf("model")
policy ref = frozen(actor)
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
objective pg for actor {
  let margin = logp(actor, win) - logp(actor, lose)
  minimize loss: mean(margin)
}

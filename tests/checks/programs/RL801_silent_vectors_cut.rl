data pairs from jsonl("pairs.jsonl") { query: Text  passage: Text }
embedder enc from hf("enc")
response asked = pairs.query given pairs.query for enc
response found = pairs.passage given pairs.passage for enc
objective contrast for enc {
  let own = cosine(embed(enc, asked), embed(enc, found))
  minimize loss: mean(softplus(mean(cosine(embed(enc, asked), others(embed(enc, found), per: batch)), per: sample) - own))
}
train { repeat 2 { draw 8 rows  update enc with contrast { micro_batch: 2 rows, optimizer: adamw(lr: 1e-3) } } }

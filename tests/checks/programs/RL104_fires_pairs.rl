data pairs from jsonl("pairs.jsonl") { query: Text  passage: Text }
embedder enc from hf("enc")
response asked = pairs.query given pairs.query for enc
response found = pairs.passage given pairs.passage for enc
let alike = cosine(spread(embed(enc, asked), to: pair), others(embed(enc, found), per: batch))
let odd = spread(embed(enc, asked), to: token, per: batch)

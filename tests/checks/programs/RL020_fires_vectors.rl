data pairs from jsonl("pairs.jsonl") { query: Text  passage: Text }
embedder enc from hf("enc")
response asked = pairs.query given pairs.query for enc
response found = pairs.passage given pairs.passage for enc
let plus = embed(enc, asked) + 1
let most = max(embed(enc, asked), per: sample)
let one = cosine(embed(enc, asked), 1)
let both = cosine(hidden(enc, asked), hidden(enc, found))

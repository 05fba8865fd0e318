data pairs from jsonl("pairs.jsonl") { query: Text  passage: Text }
embedder enc from hf("enc")
response asked = pairs.query given pairs.query for enc
response found = pairs.passage given pairs.passage for enc
let alike = cosine(embed(enc, asked), embed(enc, found))
let end = dot(last(hidden(enc, asked), per: sample), spread(embed(enc, found), to: asked))
let nearest = alike >= max(cosine(embed(enc, asked), others(embed(enc, found), per: batch)), per: sample)

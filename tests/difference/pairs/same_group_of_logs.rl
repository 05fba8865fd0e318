# compared with dpo.rl: sums of differences as differences of sums
import std.preference (dpo)

data pairs from jsonl("pairs.jsonl") {
  prompt:   Text
  chosen:   Text
  rejected: Text
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
policy ref = frozen(actor)

response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt

objective preference for actor {
  let margin =
    sum(logp(actor, win), per: sample)
    - sum(logp(ref, win), per: sample)
    - sum(logp(actor, lose) - logp(ref, lose), per: sample)
  minimize loss: mean(dpo(margin, 0.1))
}

train {
  repeat 10 {
    draw 64 rows
    update actor with preference { minibatch: 64 rows, optimizer: adamw(lr: 1e-6) }
  }
}

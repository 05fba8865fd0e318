# compared with dpo.rl: labels that may be wrong
import std.preference (dpo, implicit_reward)

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
  let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)
  minimize loss: mean(0.9 * dpo(margin, 0.1) + 0.1 * dpo(-margin, 0.1))
}

train {
  repeat 10 {
    draw 64 rows
    update actor with preference { minibatch: 64 rows, optimizer: adamw(lr: 1e-6) }
  }
}

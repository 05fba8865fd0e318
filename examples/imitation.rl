## Imitation: negative log-likelihood of demonstrations; every token counts the same.

param steps: Int in [1, 100000] = 200

data shown from python("tasks.sort_letters:solved", count: 4096, letters: 3) {
  question: Text
  answer:   Text target
}

data unseen from python("tasks.sort_letters:problems", count: 256, letters: 3, seed: 1) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))

response demonstration = shown.answer given shown.question

rollout y ~ actor(unseen.question) { samples: 1, max_tokens: 5, greedy: true }

reward correct = verify.equal(y.text, unseen.answer)

objective imitation for actor {
  minimize nll: -mean(logp(actor, demonstration))
}

eval heldout on unseen { rows: 256 report mean(correct) }

train {
  repeat steps {
    draw 128 rows from shown
    update actor with imitation {
      minibatch: 128 rows
      optimizer: adamw(lr: warmup(0 -> 3e-3, steps: 20))
      clip_gradient: 1.0
    }
    every 50 { evaluate heldout }
  }
}

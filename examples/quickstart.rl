## A small transformer learns to sort letters: `cafh>` asks for `acfh`. No download; a minute on two quiet cores, half of it
## computing. First it imitates answers that have the right form alone; then GRPO finds out which of them are right.

import std.surrogate (clipped)
import std.divergence (k3)

param steps: Int in [1, 100000] = 60  # of GRPO: `--set steps=5` is a short run

data shown from python("tasks.sort_letters:demonstrations", count: 4096) {
  question:      Text
  demonstration: Text
}
data problems from python("tasks.sort_letters:problems", count: 4096) {
  question: Text
  answer:   Text target
}
data unseen from python("tasks.sort_letters:problems", count: 200, held_out: true) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>"))
policy ref = frozen(actor)

response form = shown.demonstration given shown.question

rollout y ~ actor(problems.question) { samples: 16, max_tokens: 6 }

reward correct = verify.equal(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

objective imitation for actor {
  minimize nll: -mean(logp(actor, form))
}

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28))
  maximize entropy: 0.003 * mean(entropy(actor, y))
  minimize kl: 0.001 * mean(k3(actor, ref, y))
}

eval heldout on unseen { samples: 4 report success: mean(correct) }

train {
  stage imitation {
    repeat 40 {
      draw 256 rows
      update actor with imitation { optimizer: adamw(lr: warmup(0 -> 3e-3, steps: 10)) }
    }
  }
  reset ref to actor
  evaluate heldout
  stage grpo {
    repeat steps {
      draw 32 prompts
      update actor with grpo {
        minibatch: 16 prompts
        optimizer: adamw(lr: linear(1e-3 -> 1e-4, steps: steps))
      }
      every 10 { evaluate heldout }
    }
  }
}

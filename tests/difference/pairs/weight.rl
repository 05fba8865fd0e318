# compared with grpo.rl: the value of a parameter
import std.surrogate (clipped)
import std.divergence (k3)

param beta: Real in [0, 1] = 0.01

data problems from jsonl("train.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }

reward correct = verify.equal(y.text, problems.answer)
reward short = where(y.length < 32, 1, 0)
reward total = 0.8 * correct + 0.2 * short

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  repeat 100 {
    draw 64 prompts
    update actor with grpo { minibatch: 16 prompts, optimizer: adamw(lr: 1e-6), clip_gradient: 1.0 }
  }
}

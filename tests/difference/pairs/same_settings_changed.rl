# compared with grpo.rl: settings of everything, and the same mathematics
import std.surrogate (clipped)
import std.divergence (k3)

param beta: Real in [0, 1] = 0.001

data problems from jsonl("other.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 4, width: 96, heads: 4, tokenizer: characters("abc>"))
policy ref from hf("models/base") { dtype: bf16 }

rollout y ~ actor(problems.question) { samples: 16, max_tokens: 128, stop: ">" }

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
  repeat 200 {
    draw 64 prompts
    update actor with grpo {
      minibatch: 32 prompts
      optimizer: adamw(lr: 5e-6, betas: [0.9, 0.95])
      epochs: 2
    }
  }
}

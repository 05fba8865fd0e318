# compared with grpo.rl: declarations under other names, and another clip
import std.surrogate (clipped)
import std.divergence (k3)

param beta: Real in [0, 1] = 0.001

data problems from jsonl("train.jsonl") {
  question: Text
  answer:   Text target
}

policy student from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
policy anchor = frozen(student)

rollout answers ~ student(problems.question) { samples: 16, max_tokens: 64 }

reward correct = verify.equal(answers.text, problems.answer)
reward short = where(answers.length < 32, 1, 0)
reward total = 0.8 * correct + 0.2 * short

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective grpo for student {
  let ratio = exp(logp(student, answers) - answers.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.28), per: sample))
  minimize kl: beta * mean(mean(k3(student, anchor, answers), per: sample))
}

train {
  repeat 100 {
    draw 64 prompts
    update student with grpo {
      minibatch: 16 prompts
      optimizer: adamw(lr: 1e-6)
      clip_gradient: 1.0
    }
  }
}

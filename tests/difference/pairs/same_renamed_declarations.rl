# compared with grpo.rl: data, models, rollout, parameter, objective and terms under other names
import std.surrogate (clipped)
import std.divergence (k3)

param weight: Real in [0, 1] = 0.001

data tasks from jsonl("train.jsonl") {
  question: Text
  answer:   Text target
}

policy student from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
policy anchor = frozen(student)

rollout answers ~ student(tasks.question) { samples: 8, max_tokens: 64 }

reward correct = verify.equal(answers.text, tasks.answer)
reward short = where(answers.length < 32, 1, 0)
reward total = 0.8 * correct + 0.2 * short

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective mine for student {
  let rho = exp(logp(student, answers) - answers.logp)
  maximize gain: mean(mean(clipped(rho, advantage, 0.8 .. 1.2), per: sample))
  minimize distance: weight * mean(mean(k3(student, anchor, answers), per: sample))
}

train {
  repeat 100 {
    draw 64 prompts
    update student with mine {
      minibatch: 16 prompts
      optimizer: adamw(lr: 1e-6)
      clip_gradient: 1.0
    }
  }
}

# compared with ppo.rl: one objective less
import std.divergence (k1)
import std.returns (gae)
import std.value (clipped_value_loss)

data problems from jsonl("train.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 64 }

reward correct = verify.equal(y.text, problems.answer)

state seen: Real = 0
seen <- 0.9 * seen + 0.1 * mean(correct)

let r = at_last(correct - seen, y) - 0.01 * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(r, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

train {
  repeat 100 {
    draw 64 prompts
    update v with values { minibatch: 16 prompts, optimizer: adamw(lr: 1e-5) }
  }
}

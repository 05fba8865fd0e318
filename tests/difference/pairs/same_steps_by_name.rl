# compared with steps.rl: another name for the steps, and members in another form
import std.surrogate (clipped)

data problems from jsonl("train.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }

let steps = split(y.text, at: ";")
let right = text.equal(steps, problems.answer)
let credit = scan(right - mean(right, per: prompt), decay: 0.9, from: end, per: sample)

reward all_right = all(right, per: sample)

let both = each(all_right, y.length / 64)

objective stepwise for actor {
  let ratio = exp(mean(logp(actor, y) - y.logp, per: steps))
  maximize surrogate: mean(clipped(ratio, credit, 0.8 .. 1.2))
  minimize far: 0.01 * mean(abs(mean(logp(actor, y) - logp(ref, y), per: steps)))
  maximize outcome: 0.1 * mean(ratio * sum(both * each(1, -0.5), over: member))
}

import std.divergence (k3)
import std.surrogate (clipped)

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

policy slow = ema(actor, rate: 0.01)
policy old = stored(actor, lag: 2)

let before = logp(actor, y)

objective pg for actor {
  let ratio = exp(logp(actor, y) - before)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2) * frozen(exp(before - y.logp)))
  minimize kl: 0.01 * mean(kl(actor, ref, y) + kl(actor, slow, y) + k3(actor, old, y))
}

import std.divergence (
  alpha_straight_through_of,
  forward_kl_straight_through_of,
  js_straight_through_of,
  tv_straight_through_of
)

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(min(ratio * advantage, clip(ratio, 0.8 .. 1.2) * advantage))
  let d = logp(actor, y) - logp(ref, y)
  minimize js: 0.01 * mean(js_straight_through_of(d, 0.3))
  minimize tv: 0.01 * mean(tv_straight_through_of(d))
  minimize far: 0.01 * mean(alpha_straight_through_of(d, 0.5))
  minimize kl: 0.01 * mean(forward_kl_straight_through_of(d))
}

import std.importance (is_within)

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
  let d = logp(actor, y) - y.logp
  maximize first_order: mean(clip(1 + d, 0.8 .. 1.2) * advantage)
  maximize around_zero: mean(clip(d, -0.2 .. 1.2) * advantage)
  maximize further: mean(clip(d - 0.5, 0 .. 1.5) * advantage)
  maximize one_side: mean(min(d, 1.2) * advantage, where: d > 0.8)
  maximize moved: mean(
    exp(d) * advantage,
    where: is_within(logp(actor, y) - logp(ref, y), 0.5 .. 2)
  )
}

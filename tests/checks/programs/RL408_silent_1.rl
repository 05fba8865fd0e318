import std.importance (is_within, masked)
import std.surrogate (clipped, preclipped_ratio, sapo, sequence_ratio)

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)
let mismatch = masked(exp(logp(actor, y) - y.logp), 0.5 .. 2)

objective pg for actor {
  let d = logp(actor, y) - y.logp
  maximize surrogate: mean(clipped(exp(d), advantage, 0.8 .. 1.2))
  maximize sequence: mean(clipped(sequence_ratio(d), advantage, 0.999 .. 1.001))
  maximize gate: mean(sapo(exp(d), advantage, 1, 1.05) * mismatch)
  maximize early: mean(
    preclipped_ratio(d, 0.5 .. 2) * advantage,
    where: is_within(d, log(0.5) .. log(2))
  )
}

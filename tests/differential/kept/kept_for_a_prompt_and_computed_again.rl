# As kept_for_a_sample_and_computed_again, with an exact divergence and a value of the group.
data d from jsonl("d.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }
reward places = text.matching_places(y.text, d.answer)
let before = logp(actor, y)
let held = places - 0.1 * mean(before - logp(ref, y), per: sample)
objective o for actor {
  let far = kl(actor, ref, y) - spread(max(held, per: prompt), to: token)
  maximize near: mean(where(top(far, 2, per: sample), far, 0) * logp(actor, y))
}

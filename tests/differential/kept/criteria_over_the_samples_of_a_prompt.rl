# Verdicts on the criteria of a rubric, live values beside them, each criterion reduced over the samples of its prompt.
data d from jsonl("d.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
judge grader from openai(model: "judge", base_url: "http://127.0.0.1:9")

rubric clear judged by grader {
  scale: 1 .. 5
  "It is clear"        weight 2
  "It is short"        weight 1
  "It repeats itself"  penalty 3
}

rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }

let verdict = verdicts(clear, y.text, d.question)
let share = mean(verdict, per: prompt, keep: criterion)
let points = where(share > 0.4, 0, weights(clear, y.text, d.question))

objective o for actor {
  let now = mean(exp(logp(actor, y)), per: sample) else 0
  let held = now * verdict
  maximize kept: mean(std(held, per: prompt, keep: criterion) * share else 0)
  maximize middle: mean(
    (held - spread(mean(held, per: prompt, keep: criterion), to: held)) ^ 2 * points
  )
  maximize most: mean(max(held, per: prompt, keep: criterion) * share)
  maximize inside: mean(mean(held, per: prompt, keep: criterion, where: verdict > 0.5) else 0)
}

# Live and frozen members at several levels, which meet, are kept, and are compared with each other.
data d from jsonl("d.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
policy ref = frozen(actor)

rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }

let s = split(y.text, at: "b")
let said = text.length(s) / 10

reward right = verify.equal(y.text, d.answer)

objective o for actor {
  let now = logp(actor, y)
  let tokens = each(now, y.logp, 0.1 * now ^ 2)
  let steps = each(mean(now, per: step) else 0, said)
  let answers = each(mean(exp(now), per: sample) else 0, right, 0.5)
  maximize worst: mean(min(tokens, over: member)) + mean(max(answers * each(1, 2, 3), over: member))
  maximize steps: mean(std(steps, over: member) else 0)
    + mean(scan(sum(steps * each(0.5, -1), over: member), decay: 0.7, from: end))
  minimize kept: mean((answers - spread(mean(answers, per: prompt, keep: member), to: answers)) ^ 2)
  maximize joined: mean(answers * now)
    + mean(std(tokens, per: prompt, keep: member) * each(1, 0.5, 2) else 0)
  minimize pairs: mean(
    tanh(spread(answers, to: others(answers, per: prompt)) - others(answers, per: prompt)),
    where: others(answers, per: prompt) > 0.2
  )
}

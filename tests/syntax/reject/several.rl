## Five faults in one file; the declarations between them are read.

data problems from jsonl("train.jsonl") { question: Text, answer Text target }

policy actor hf("m")
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8

reward correct = verify.math(y.text, problems.answer)
reward style == clear(y.text)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize mean(clipped(ratio advantage, 0.8 .. 1.28))
  minimize 0.001 * mean(k3(actor, ref, y))
}

guard mean(correct) > 0 else stop

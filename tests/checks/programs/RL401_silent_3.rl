# A fit of reward gaps holds for samples of any policy: its slope is the gap that is left, not a frozen weight.
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
objective copg for actor {
  let s = sum(logp(actor, y), per: sample)
  let gap = (correct - others(correct, per: prompt)) - 0.5 * (spread(s, to: pair) - others(s, per: prompt))
  minimize error: mean(gap ^ 2)
}
train {
  repeat 10 {
    draw 64 prompts
    update actor with copg { minibatch: 8 prompts, optimizer: adamw(lr: 1e-6) }
  }
}

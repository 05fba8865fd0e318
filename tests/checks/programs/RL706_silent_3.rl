import std.pairing (of_best, of_worst)
import std.preference (dpo, implicit_reward)

data problems from jsonl("train.jsonl") { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
policy ref = frozen(actor)

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4 }

reward correct = verify.equal(y.text, problems.answer)

objective online for actor {
  let gain = implicit_reward(actor, ref, y)
  let margin = of_best(gain, correct, per: prompt) - of_worst(gain, correct, per: prompt)
  minimize loss: mean(dpo(margin, 0.1))
}

train { repeat 10 { draw 16 prompts  update actor with online { optimizer: adamw(lr: 1e-6) } } }

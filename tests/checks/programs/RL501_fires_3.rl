data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy critic = actor with { system: "Review." }
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
rollout z ~ critic(y.text) { samples: 1, max_tokens: 16 }
reward useful = verify.equal(z.text, problems.answer)
let advantage = useful - mean(useful, per: prompt)
objective pg for critic {
  maximize pg: mean(advantage * logp(critic, z))
}

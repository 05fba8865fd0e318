data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL"))

rubric clear judged by grader {
  "States the answer"  weight 2
  "Is short"           weight 1
}

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }

reward style = clear(y.text, question: problems.question)

let advantage = style - mean(style)

objective o for actor {
  maximize surrogate: mean(advantage * logp(actor, y))
}

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  rubrics: Json }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
judge grader from openai(model: "judge", base_url: env("URL"))
param w: Real in (0, 10] = 3
rubric a judged by grader { votes: 3, votes_by: median  "It is clear" weight w  "It lies" veto 0.5 }
rubric none judged by grader { instructions: "Be strict.", quote: true, reason: true, shuffle: true, ask: each, scale: 1 .. 7 }
reward style = a(y, problems.question, reference: problems.answer)
let v = verdicts(a, y, problems.question)
let w_ = weights(a, y, problems.question)
reward own = none(y.text, criteria: problems.rubrics)
reward p = mean(prefer(a, y, others(y.text, per: prompt), question: problems.question, orders: one, matches: 3), per: sample) else 0.5

fn narrow(x: Real, bounds: Bounds) -> Real = clip(x, bounds)
fn count_of(x: Real, per: Level) -> Real = sum(x, per: per)
fn of_model(m: Policy, x: Real) -> Real = x
fn of_response(m: Response, x: Real) -> Real = x
fn share(x: Real in [0, 1]) -> Real = x
fn asked(question: Text) -> Real = 1

data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("model")

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }

reward correct = verify.math(y.text, problems.answer)

let wide = narrow(correct, 3)
let tight = narrow(correct, 3e-4)
let counted = count_of(correct, 1)
let from_text = of_model("actor", correct)
let from_policy = of_response(actor, correct)
let too_much = share(1.5)
let number = asked(correct)

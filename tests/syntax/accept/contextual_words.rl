# every keyword is a name where no keyword can stand
data d from jsonl("d.jsonl") {
  data: Text test: Text
  prompt: Text target
  target: Text target
  step: Real in [0, 1] token: Int
  let: Text from: Text in: Real
}

let data = d.data + d.test
let from = where(data, test, train)
let where = of
let x = x given with
let test = reward.policy(min, max, count, import: 1, guard: 2, with: plan)
policy policy from model(policy) { policy: policy, update: 1 update samples: 3, with: for }
rollout rollout ~ draw(train.eval) { prompt: d.prompt test: d.test samples: n steps: 8 turns prompts: 3 prompts }
fn when(when: Real, given, else: Real = 1) = { let a = 8 tokens }
fn tail(x) = {
  let m = mean(x, per: prompt)
  (x - m) / 2
}
fn list(x) = {
  let m = mean(x, per: prompt)
  [x, m]
}
let objective = every * stage / repeat
state state: Real = 0
state <- state + 1
let <- let - 1
buffer buffer <- where where (where)
train {
  update update with with on on
  draw steps steps from from using using
  save <- save
  reset to to to
}

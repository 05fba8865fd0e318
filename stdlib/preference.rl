## Losses over pairs of answers.

## `-log sigmoid(beta * margin)`, the margin being the difference of summed log-ratios of the preferred and the other answer.
## Rafailov et al. 2023, "Direct Preference Optimization", equation 7.
fn dpo(margin: Real, beta: Real) -> Real = -log_sigmoid(beta * margin)

## The implicit reward of an answer: summed log-ratio against the reference, @ sample. Ibid., equation 5.
fn implicit_reward(p: Policy, q: Policy, y: Response) -> Real @ sample =
  sum(logp(p, y) - logp(q, y), per: sample)

test "at margin 0 the loss is ln 2" {
  expect dpo(0, 0.1) == 0.6931471806 within 1e-9
}

test "the gradient at margin 0 is -beta / 2" {
  let m = live([0] @ sample)
  expect gradient(sum(dpo(m, 0.1)), of: m) == [-0.05] within 1e-12
}

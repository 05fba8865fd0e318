## References made of several policies: what their mixtures give to the tokens that stand there. Nats @ token.
##
## A weight is the share of the first, in (0, 1); the second has the rest. References that follow a policy are models
## (`ema`, `stored`), and may be among those that are mixed.

## Log-probability under the mixture of two next-token distributions, each drawn from with its share:
## `log(weight p + (1 - weight) q)`. It is normalised.
fn mixture(p: Policy, q: Policy, y: Response, weight: Real in (0, 1)) -> Real @ token =
  mixture_of(logp(p, y), logp(q, y), weight)

## The mixture of two log-probabilities: `log(weight e^first + (1 - weight) e^second)`.
fn mixture_of(first: Real, second: Real, weight: Real in (0, 1)) -> Real = {
  let rest = second + log1p(-weight)
  rest + softplus(first + log(weight) - rest)
}

## The mixture of three: the first two with the shares given, the third with the rest. Of more: `mixture_of_each`.
fn mixture_of_three(
  first: Real,
  second: Real,
  third: Real,
  share_of_first: Real in (0, 1),
  share_of_second: Real in (0, 1)
) -> Real = {
  let both = share_of_first + share_of_second
  mixture_of(mixture_of(first, second, share_of_first / both), third, both)
}

## The mixture of a list of any length: `mixture_of_each(each(logp(a, y), logp(b, y), logp(c, y)), each(0.2, 0.5, 0.3))`.
## Shares are relative: they are divided by their sum.
fn mixture_of_each(log_p: Real @ member, share: Real @ member) -> Real =
  log(sum(share * exp(log_p), over: member)) - log(sum(share, over: member))

## The geometric mixture, up to its normaliser: `weight log p + (1 - weight) log q`. What is missing is the same for every
## token of the vocabulary, `-log sum p^weight q^(1 - weight)`, never negative; it does depend on what stands before the
## token. Munos et al. 2023, "Nash Learning from Human Feedback" (Nash-MD), mixes policy and reference so.
fn geometric(p: Policy, q: Policy, y: Response, weight: Real in (0, 1)) -> Real @ token =
  geometric_of(logp(p, y), logp(q, y), weight)

## The geometric mixture as a distribution, exact over the vocabulary: `geometric` less the logarithm of its normaliser
## `sum p^weight q^(1 - weight)`, which is `1 - weight (1 - weight) alpha_divergence(p, q, y, alpha: weight)`.
fn normalised_geometric(p: Policy, q: Policy, y: Response, weight: Real in (0, 1)) -> Real @ token =
  geometric(p, q, y, weight)
  - log1p(-weight * (1 - weight) * alpha_divergence(p, q, y, alpha: weight))

## The weighted mean of two log-probabilities.
fn geometric_of(first: Real, second: Real, weight: Real in (0, 1)) -> Real =
  weight * first + (1 - weight) * second

test "a mixture gives what its parts give, by their shares" {
  # 0.25 * 0.8 + 0.75 * 0.4 = 0.5
  expect mixture_of(log(0.8), log(0.4), 0.25) == log(0.5) within 1e-12
  expect mixture_of(log(0.3), log(0.3), 0.6) == log(0.3) within 1e-12
}

test "a token that one of the two never says has the other's share of its probability" {
  expect mixture_of(-inf, log(0.4), 0.25) == log(0.3) within 1e-12
  expect mixture_of(log(0.4), -1000, 0.25) == log(0.1) within 1e-12
  expect mixture_of(-1000, -2000, 0.5) == -1000.6931471806 within 1e-9
}

test "the gradient of a mixture is shared by who says the token" {
  # log 0.8 and log 0.4: of 0.5, the first brings 0.2 and the second 0.3
  let a = live([-0.2231435513] @ sample)
  let b = live([-0.9162907319] @ sample)
  let both = mixture_of(a, b, 0.25)
  expect gradient(sum(both), of: a) == [0.4] within 1e-9
  expect gradient(sum(both), of: b) == [0.6] within 1e-9
  expect gradient(sum(mixture_of(a, a, 0.5)), of: a) == [1] within 1e-12
}

test "a third of each, by mixing twice" {
  # (0.9 + 0.3 + 0.6) / 3 = 0.6
  expect mixture_of_three(log(0.9), log(0.3), log(0.6), 1 / 3, 1 / 3) == log(0.6) within 1e-12
}

test "the geometric mean of 1/2 and 1/8 is 1/4" {
  expect geometric_of(log(0.5), log(0.125), 0.5) == log(0.25) within 1e-12
}

test "the geometric mean is below the arithmetic one" {
  let a = [-0.5, -3, -1] @ sample
  let b = [-2, -0.1, -1] @ sample
  expect max(geometric_of(a, b, 0.3) - mixture_of(a, b, 0.3)) <= 0.0000001
}

test "a mixture of a list is that of its parts, one by one" {
  # 0.2 * 0.8 + 0.5 * 0.4 + 0.3 * 0.1 = 0.39
  let a = live([-0.2231435513] @ sample)
  let mixed = mixture_of_each(each(a, log(0.4), log(0.1)), each(2, 5, 3))
  expect mixed == [-0.9416085399] within 1e-9
  # the first brings 0.16 of 0.39
  expect gradient(sum(mixed), of: a) == [0.4102564103] within 1e-9
  # far below what `exp` reaches
  expect mixture_of_each(each(-1000, -2000), each(1, 1)) == -1000.6931471806 within 1e-9
}

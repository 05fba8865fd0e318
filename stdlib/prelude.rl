## What every spec may use without an import.

## Mean of the other members of the group: `(sum - x) / (n - 1)`. Absent in a group of one.
## Ahmadian et al. 2024, "Back to Basics" (RLOO), equation 8.
fn others_mean(x: Real, per: Level) -> Real =
  where(
    count(x, per: per) > 1,
    (spread(sum(x, per: per), to: x) - x) / (count(x, per: per) - 1),
    absent
  )

## Centre and scale within a group: `(x - mean) / (std + guard)`, with the n - 1 standard deviation.
fn normalize(x: Real, per: Level, guard: Real) -> Real =
  (x - spread(mean(x, per: per), to: x)) / (std(x, per: per) + guard)

## Running sum from the first token of each sample on.
fn cumsum(x: Real) -> Real = scan(x, decay: 1, from: start)

## A value per sample, placed at its last token; 0 at all others.
fn at_last(x: Real, y: Response) -> Real @ token = where(position(y) == y.length - 1, x, 0)

## log p for outcomes 1, log(1 - p) for outcomes 0. `p` lies in (0, 1).
fn log_likelihood(outcome: Real, p: Real) -> Real = outcome * log(p) + (1 - outcome) * log1p(-p)

test "others_mean leaves the member itself out" {
  let x = [1, 0, 0, 1] @ sample
  expect others_mean(x, per: prompt)
    == [0.3333333333, 0.6666666667, 0.6666666667, 0.3333333333] within 1e-9
}

test "others_mean is the mean of the others" {
  let x = [[1, 0, 4], [2]] @ sample
  expect (others_mean(x, per: prompt) else -1)
    == (mean(others(x, per: prompt), per: sample) else -1) within 1e-12
}

test "a difference of a pair flows back to both of its members" {
  let x = live([[3, 1, 0]] @ sample)
  let o = others(x, per: prompt)
  # each ordered pair once: (3 - 1)^2, (3 - 0)^2, (1 - 0)^2, twice
  expect sum((spread(x, to: pair) - o) ^ 2) == 28
  expect gradient(sum((spread(x, to: pair) - o) ^ 2), of: x) == [[20, -4, -16]] within 1e-12
}

test "a group of one has no others" {
  let x = [[1], [0, 1]] @ sample
  expect (others_mean(x, per: prompt) else -1) == [[-1], [1, 0]]
}

test "normalize gives 2 of 8 right answers +1.62 and the wrong ones -0.54" {
  let x = [1, 1, 0, 0, 0, 0, 0, 0] @ sample
  let z = normalize(x, per: prompt, guard: 0)
  expect max(z) == 1.6201851746 within 1e-9
  expect min(z) == -0.5400617249 within 1e-9
}

test "cumsum starts anew in each sample" {
  let x = [[1, 2, 3], [4]] @ token
  expect cumsum(x) == [[1, 3, 6], [4]]
}

test "log_likelihood is that of a coin" {
  expect log_likelihood(1, 0.25) == -1.3862943611 within 1e-9
  expect log_likelihood(0, 0.25) == -0.2876820724 within 1e-9
}

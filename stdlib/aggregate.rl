## How values per token become one number. Each is a line that a spec can write itself; the name says which one is meant.

## Every token of the update batch counts the same. Yu et al. 2025 (DAPO), equation 8.
fn token_mean(x: Real @ token) -> Real = mean(x)

## Every answer counts the same. Shao et al. 2024 (GRPO), equation 3.
fn sequence_mean(x: Real @ token) -> Real = mean(mean(x, per: sample))

## Every answer's sum over a constant length. Liu et al. 2025 (Dr. GRPO).
fn constant_length(x: Real @ token, length: Real) -> Real = mean(sum(x, per: sample)) / length

## Every prompt counts the same, and within it every token.
fn prompt_mean(x: Real @ token) -> Real = mean(mean(x, per: prompt))

test "one answer of 1 and one of 3 tokens, under each of the four" {
  let x = [[4], [0, 0, 0]] @ token
  expect token_mean(x) == 1
  expect sequence_mean(x) == 2
  expect constant_length(x, 4) == 0.5
  expect prompt_mean(x) == 1
}

## How values per token become one number. Each is a line that a spec can write itself; the name says which one is meant. All are
## over the update batch, whatever its micro-batches and ranks: TRL and verl, cut into micro-batches, are only where they are given
## the counts of the whole batch (TRL's `dapo`, verl's `global_batch_info`). An answer without a token has no mean, and is left
## out of `sequence_mean`, as in verl; its sum is 0 and counts, as in TRL. (TRL counts it in all forms, verl in none.)

## Every token counts the same. Yu et al. 2025 (DAPO), equation 8. TRL: `dapo`, and `bnpo` for each micro-batch; verl: `token-mean`.
fn token_mean(x: Real @ token) -> Real = mean(x)

## Every answer counts the same. Shao et al. 2024 (GRPO), equation 3. TRL: `grpo`; verl: `seq-mean-token-mean`. TRL's mean, in which an
## empty answer counts as 0, is `mean(mean(x, per: sample) else 0)`.
fn sequence_mean(x: Real @ token) -> Real = mean(mean(x, per: sample))

## Every answer's sum over a constant length. Liu et al. 2025 (Dr. GRPO). TRL: `dr_grpo`; verl: `seq-mean-token-sum-norm`.
fn constant_length(x: Real @ token, length: Real) -> Real = sequence_sum(x) / length

## Every answer's sum: long answers count more, and every token of all answers the same. verl: `seq-mean-token-sum`,
## which leaves empty answers out: `mean(sum(x, per: sample), where: count(x, per: sample) > 0)`.
fn sequence_sum(x: Real @ token) -> Real = mean(sum(x, per: sample))

## Every prompt counts the same, and within it every token. Khatri et al. 2025, "The Art of Scaling Reinforcement Learning
## Compute for LLMs" (prompt average).
fn prompt_mean(x: Real @ token) -> Real = mean(mean(x, per: prompt))

test "one answer of 1 and one of 3 tokens, under each of them" {
  let x = [[4], [0, 0, 0]] @ token
  expect token_mean(x) == 1
  expect sequence_mean(x) == 2
  expect constant_length(x, 4) == 0.5
  expect sequence_sum(x) == 2
  expect prompt_mean(x) == 1
}

test "a prompt of one short answer and a prompt of two" {
  let x = [[[6]], [[0, 3], [3, 3, 3, 0]]] @ token
  # 18 / 7; (6 + 1.5 + 2.25) / 3; (6 + 3 + 9) / 3; (6 + 12 / 6) / 2
  expect token_mean(x) == 2.5714285714 within 1e-9
  expect sequence_mean(x) == 3.25
  expect sequence_sum(x) == 6
  expect constant_length(x, 4) == 1.5
  expect prompt_mean(x) == 4
}

test "each says what a token of a long answer is worth" {
  let x = live([[[1]], [[1, 1, 1, 1]]] @ token)
  expect gradient(token_mean(x), of: x) == [[[0.2]], [[0.2, 0.2, 0.2, 0.2]]] within 1e-12
  expect gradient(sequence_mean(x), of: x) == [[[0.5]], [[0.125, 0.125, 0.125, 0.125]]]
  expect gradient(sequence_sum(x), of: x) == [[[0.5]], [[0.5, 0.5, 0.5, 0.5]]]
  expect gradient(constant_length(x, 4), of: x) == [[[0.125]], [[0.125, 0.125, 0.125, 0.125]]]
}

test "an answer without a token is left out of means, and 0 in sums" {
  let x = [[2, 4], []] @ token
  expect token_mean(x) == 3
  expect sequence_mean(x) == 3
  expect sequence_sum(x) == 3
  expect constant_length(x, 4) == 0.75
}

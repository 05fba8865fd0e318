## What several answers to a prompt make of each criterion of a rubric.
##
## For the criteria that a rubric itself has, `mean(v, per: prompt, keep: criterion)` is the language's own: they are as many everywhere.
## Criteria of the data are as many as their row says; here they are found by their place in its list, so that all answers to a prompt
## must have been given the same one. Every two values of a prompt meet: 8 answers with 10 criteria make 6,400 pairs.

## The mean over the answers to a prompt, criterion by criterion, at each criterion of each answer; absent where its own value is,
## other absent values are left out. ORBIT (2025) leaves out what nearly all satisfy: `where(over_answers(v) > 0.9, 0, w)`.
fn over_answers(x: Real @ criterion) -> Real @ criterion = {
  let place = position(x)
  let rival = others(x, per: prompt)
  let same = others(place, per: prompt) == spread(place, to: rival)
  (x + sum(rival, per: x, where: same)) / (1 + count(rival, per: x, where: same))
}

## The deviation from that mean: what an answer is above the others in each criterion.
fn above_answers(x: Real @ criterion) -> Real @ criterion = x - over_answers(x)

test "each criterion has the mean of its own place" {
  let v = [[[1, 0], [1, 1], [0, 0], [1, 0]], [[0.5, 0], [0, 1]]] @ criterion
  expect over_answers(v)
    == [
      [[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]],
      [[0.25, 0.5], [0.25, 0.5]]
    ] @ criterion within 1e-12
  expect over_answers(v) == spread(mean(v, per: prompt, keep: criterion), to: v) within 1e-12
  expect sum(above_answers(v), per: sample) == [[0, 1, -1, 0], [-0.25, 0.25]] @ sample within 1e-12
}

test "one answer is its own mean" {
  let v = [[[0.25, 1]]] @ criterion
  expect over_answers(v) == [[[0.25, 1]]] @ criterion
}

test "gradients go to every answer alike" {
  let v = live([[[1, 0], [1, 1]]] @ criterion)
  let slope = gradient(sum(over_answers(v) ^ 2), of: v)
  expect slope == [[[2, 1], [2, 1]]] @ criterion within 1e-12
}

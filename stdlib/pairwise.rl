## What comparisons of the answers of a group are worth: win rates and strengths, from how much each is preferred to each other.
##
## `wins` is in [0, 1] on the pairs of a group: how much the first of two is preferred, 1/2 a tie. A judge gives it,
## `prefer(clear, y.text, others(y.text, per: prompt))`, or a score. `bradley_terry(wins, per: prompt)` of the language gives the
## strengths at which `sigmoid(s_i - s_j)` explains it best, nats, mean 0 (Bradley and Terry 1952): absent where a group does not
## say them (one answer; a part of the group that always wins).

## The win rate of each answer: the mean of its comparisons, absent without any. With all pairs it is the score of a round robin
## (Borda); with `matches: n` it is over n opponents.
fn win_rate(wins: Real @ pair) -> Real @ sample = mean(wins, per: sample)

## How many of the others an answer is preferred to, less how many are preferred to it, over all it was compared with: in
## [-1, 1]. Copeland 1951: a narrow win counts as much as a clear one.
fn copeland(wins: Real @ pair) -> Real @ sample = mean(sign(wins - 0.5), per: sample)

## Whether an answer is preferred to every other one of its group: the Condorcet winner, of which a group has one or none.
fn beats_all(wins: Real @ pair) -> Bool @ sample =
  all(wins > 0.5, per: sample) and count(wins, per: sample) > 0

test "win rates, majorities and the one that beats all" {
  # of three: the first always wins, the second beats the third by 3/4
  let s = [[2, 1, 0], [5]] @ sample
  let rival = others(s, per: prompt)
  let gap = spread(s, to: rival) - rival
  let wins = where(gap > 1, 1, where(gap < -1, 0, where(gap > 0, 0.75, 0.25)))
  expect (win_rate(wins) else -1) == [[0.875, 0.5, 0.125], [-1]]
  expect (copeland(wins) else -2) == [[1, 0, -1], [-2]]
  expect where(beats_all(wins), 1, 0) == [[1, 0, 0], [0]]
}

test "strengths are found again from the chances that follow from them" {
  let s = [[1.5, -0.5, 0.25, -1.25], [0.5, -0.5]] @ sample
  let rival = others(s, per: prompt)
  let wins = sigmoid(spread(s, to: rival) - rival)
  expect bradley_terry(wins, per: prompt) == [[1.5, -0.5, 0.25, -1.25], [0.5, -0.5]] within 1e-9
}

test "one that always wins has no strength, and its group has none" {
  let s = [[1, 0], [3]] @ sample
  let rival = others(s, per: prompt)
  let wins = where(spread(s, to: rival) > rival, 1, 0)
  expect (bradley_terry(wins, per: prompt) else 9) == [[9, 9], [9]]
}

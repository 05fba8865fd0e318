## Preference by distributions: not each chosen answer against its own rejected one, but all of the update batch in their
## order.
##
## Log-probabilities and log-ratios are summed over an answer, nats @ sample (a row of a data set of pairs). What is
## compared has the same number of values on both sides, which is what pairs give.

import std.preference (dpo_smoothed)

## For each value of x the value of y that has the same place in the order of its group: to the smallest x the smallest y.
## Both stand at the samples (or rows). It compares each two of a group.
fn matched(x: Real @ sample, y: Real @ sample, per: Level) -> Real @ sample = {
  let place = rank(x, per: per)
  let other_place = rank(y, per: per)
  let rival = others(y, per: per)
  let found = others(other_place, per: per) == spread(place, to: rival)
  where(other_place == place, y, 0) + sum(where(found, rival, 0), per: sample)
}

## Alignment by optimal transport of pairs: DPO in which the policy's margin meets the reference's margin of the same rank
## in the update batch. `margin` and `reference` are differences of log-probabilities of chosen and rejected, under policy
## and reference; `flipped` smooths the labels, 0 in the paper. To be averaged over the update batch. Melnyk et al. 2024,
## "Distributional Preference Alignment of LLMs via Optimal Transport" (AOT). TRL: `aot`.
fn aot(margin: Real, reference: Real, beta: Real, flipped: Real) -> Real =
  dpo_smoothed(margin - matched(margin, reference, per: batch), beta, flipped)

## AOT without pairs: chosen and rejected answers are sorted apart by their log-ratios, and those of the same rank meet.
## Ibid. TRL: `aot_unpaired`.
fn aot_unpaired(chosen: Real, rejected: Real, beta: Real, flipped: Real) -> Real =
  dpo_smoothed(chosen - matched(chosen, rejected, per: batch), beta, flipped)

test "values meet those of the same rank" {
  # x in order: 1, 2, 5; y in order: -3, 4, 9
  let x = live([2, 5, 1] @ sample)
  let y = live([-3, 4, 9] @ sample)
  expect matched(x, y, per: batch) == [4, 9, -3]
  expect gradient(sum(x * matched(x, y, per: batch)), of: y) == [1, 2, 5]
  expect matched(x, x, per: batch) == x
}

test "within groups, and with ties each value is met once" {
  let x = [[2, 1], [7, 7]] @ sample
  let y = [[10, 20], [4, 3]] @ sample
  expect matched(x, y, per: prompt) == [[20, 10], [3, 4]]
}

test "AOT compares margins in their order" {
  # 3 meets 2 and -1 meets 0, though the pairs are (3, 0) and (-1, 2): ln(1 + e^-1), ln(1 + e^1)
  let margin = live([3, -1] @ sample)
  let reference = [0, 2] @ sample
  let loss = aot(margin, reference, 1, 0)
  expect loss == [0.3132616875, 1.3132616875] within 1e-9
  expect gradient(sum(loss), of: margin) == [-0.2689414214, -0.7310585786] within 1e-9
}

test "AOT of margins in the order of the reference's is DPO" {
  let margin = [3, -1, 0.5] @ sample
  let reference = [2, -4, 1] @ sample
  expect aot(margin, reference, 0.3, 0) == softplus(-0.3 * (margin - reference)) within 1e-12
}

test "unpaired AOT pushes the chosen of a rank up and the rejected of that rank down" {
  # 1 meets -1 and 4 meets 4: ln(1 + e^-2), ln 2; smoothed by 0.1 they cost 0.2 and nothing more
  let chosen = live([4, 1] @ sample)
  let rejected = live([-1, 4] @ sample)
  let loss = aot_unpaired(chosen, rejected, 1, 0)
  expect loss == [0.6931471806, 0.1269280110] within 1e-9
  expect gradient(sum(loss), of: chosen) == [-0.5, -0.1192029220] within 1e-9
  expect gradient(sum(loss), of: rejected) == [0.1192029220, 0.5] within 1e-9
  expect aot_unpaired(chosen, rejected, 1, 0.1) == [0.6931471806, 0.3269280110] within 1e-9
}

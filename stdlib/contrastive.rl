## Contrastive losses: what belongs together is to be more alike than what does not.
##
## `own` is how alike a member and its counterpart are, `rival` how alike it is to the others, at the level `pair`: for unit vectors
## `cosine(q, p)` and `cosine(spread(q, to: pair, per: batch), others(p, per: batch))`, over a temperature. In an objective
## `per: batch` takes the negatives from the whole update batch, whatever it is cut into. Nats.

## `log sum_j weight_j exp(x_j)` over the members of each group that are there: what all of these losses are made of. Absent for a
## group of none. A weight of 0 masks a member.
fn weighted_log_sum_exp(x: Real, weight: Real, per: Level) -> Real =
  where(count(x, per: per) > 0, log(sum(weight * exp(x), per: per)), absent)

## `log sum_j exp(x_j)`.
fn log_sum_exp(x: Real, per: Level) -> Real = weighted_log_sum_exp(x, 1, per: per)

## `-log(exp(own) / (exp(own) + sum_j weight_j exp(rival_j)))`; 0 where there is no rival. The gradient by a rival is its
## share of the sum.
fn weighted_infonce(own: Real, rival: Real, weight: Real) -> Real =
  softplus((weighted_log_sum_exp(rival, weight, per: sample) - own) else -1e30)

## InfoNCE: the positive stands in its own denominator. van den Oord et al. 2018, "Representation Learning with Contrastive
## Predictive Coding", equation 4; NT-Xent in one direction, as in Chen et al. 2020 (SimCLR).
fn infonce(own: Real, rival: Real) -> Real = weighted_infonce(own, rival, 1)

## Decoupled: without the positive in the denominator, `log sum_j exp(rival_j) - own`, so that an easy positive takes no gradient
## from the negatives. Absent where there is no rival. Yeh et al. 2022, "Decoupled Contrastive Learning".
fn decoupled(own: Real, rival: Real) -> Real = log_sum_exp(rival, per: sample) - own

## Negative sampling: each rival is told apart by itself, `-log sigmoid(own) - sum_j log sigmoid(-rival_j)`. Eysenbach et al. 2022,
## "Contrastive Learning as Goal-Conditioned Reinforcement Learning": `own` is the critic of a state, an action and the goal that
## was reached, `rival` those of goals that others reached; scores are dot products.
fn goal_conditioned(own: Real, rival: Real) -> Real =
  -log_sigmoid(own) - sum(log_sigmoid(-rival), per: sample)

## Attraction, of unit vectors: the squared distance to the counterpart, `2 - 2 cosine`.
## Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity", alpha 2.
fn attraction(cosine_of_own: Real) -> Real = 2 - 2 * cosine_of_own

## Repulsion, of unit vectors: `log mean_j exp(-strength |x - x_j|^2)` over all pairs, with the cosines of pairs. Ibid., strength 2.
fn repulsion(cosine_of_pair: Real, strength: Real) -> Real =
  log(mean(exp(strength * (2 * cosine_of_pair - 2))))

## The choice of one candidate of a group by a softmax over their scores: `log_sum_exp - score` of the chosen one, 0 for the others
## (cross-entropy, summed over the group). RLCoder (Wang et al. 2024): scores `20 cosine`, the chosen one that under which the
## completion is most likely.
fn choice(score: Real, chosen: Bool, per: Level) -> Real =
  where(chosen, spread(log_sum_exp(score, per: per), to: score) - score, 0)

test "InfoNCE of equal scores is the logarithm of how many there are" {
  let own = [[0.3, 0.3, 0.3, 0.3]] @ sample
  expect infonce(own, others(own, per: prompt))
    == [[1.3862943611, 1.3862943611, 1.3862943611, 1.3862943611]] within 1e-9
  expect decoupled(own, others(own, per: prompt))
    == [[1.0986122887, 1.0986122887, 1.0986122887, 1.0986122887]] within 1e-9
}

test "without rivals there is nothing to tell apart" {
  let own = [[0.3]] @ sample
  expect infonce(own, others(own, per: prompt)) == [[0]]
  expect (decoupled(own, others(own, per: prompt)) else -1) == [[-1]]
}

test "the gradient by a rival is its share" {
  # one against one: 1 / (1 + exp(own - rival)) = sigmoid(-1)
  let own = live([[2, 1]] @ sample)
  let x = [[2, 1]] @ sample
  expect gradient(sum(infonce(own, others(x, per: prompt))), of: own)
    == [[-0.2689414214, -0.7310585786]] within 1e-9
}

test "a weight of 0 masks a rival, of 2 counts it twice" {
  let own = [[0, 0, 0]] @ sample
  let rival = others(own, per: prompt)
  expect max(weighted_infonce(own, rival, 0)) == 0
  expect max(weighted_infonce(own, rival, 2)) == 1.6094379124 within 1e-9  # ln(1 + 4)
}

test "scores far from 0 do not overflow" {
  let x = [[1000, 999, -1000]] @ sample
  expect log_sum_exp(x, per: prompt) == 1000.3132616875 within 1e-9
  expect infonce(x, others(x, per: prompt))
    == [[0.3132616875, 1.3132616875, 2000.3132616875]] within 1e-9
}

test "the retriever's cross-entropy with ten equal candidates is ln 10" {
  let score = [[5, 5, 5, 5, 5, 5, 5, 5, 5, 5]] @ sample
  let chosen = rank(score, per: prompt) == 3
  expect sum(choice(score, chosen, per: prompt)) == 2.302585093 within 1e-9
}

test "attraction and repulsion of unit vectors" {
  expect attraction(1) == 0
  expect attraction(-1) == 4
  # all pairs at right angles: |x - y|^2 = 2
  expect repulsion([[0, 0]] @ sample, 2) == -4 within 1e-12
}

test "goal-conditioned scores of 0 cost ln 2 each" {
  let own = [[0, 0, 0]] @ sample
  expect max(goal_conditioned(own, others(own, per: prompt))) == 2.0794415417 within 1e-9
}

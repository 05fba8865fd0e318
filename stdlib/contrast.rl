## Rewards from how alike texts are, and from how far the answers to a prompt agree. All are of frozen values: what trains an embedder
## is in `std.contrastive`.
##
## `similarity(enc, a, b)` of the language is the cosine of two texts' vectors, in [-1, 1], at the finer of their levels; with
## `others(y.text, per: prompt)` the texts of a group meet in pairs. With the vectors of answers that were read with their prompts:
## `let v = embed(enc, y)` and `cosine(v, others(v, per: prompt))`. Embedders of texts seldom give cosines below 0, so differences say
## more than sizes.

import std.contrastive (log_sum_exp)

# ------------------------------------------------------------------ anchors
## How much more a text is like what is wanted than like what is not: the difference of two cosines, in [-2, 2].
fn contrast(enc: Embedder, answer: Text, toward: Text, away: Text) -> Real =
  similarity(enc, answer, toward) - similarity(enc, answer, away)

## The same as a share, in (0, 1): a softmax over the two anchors, `sigmoid((toward - away) / temperature)`. 1/2 where both are alike.
## Radford et al. 2021 (CLIP) choose between texts so; temperature 0.01 there.
fn contrast_share(
  enc: Embedder,
  answer: Text,
  toward: Text,
  away: Text,
  temperature: Real
) -> Real =
  share_of_anchors(similarity(enc, answer, toward), similarity(enc, answer, away), temperature)

## The same of two cosines.
fn share_of_anchors(toward: Real, away: Real, temperature: Real) -> Real =
  sigmoid((toward - away) / temperature)

## Several anchors of each kind: the share of the softmax that falls on the wanted ones, in (0, 1), `sum_w exp(s_w / temperature)` over the
## same of all. `toward` and `away` are `each(similarity(…), similarity(…))`, and `per` is the level of the answer.
fn share_of_many(toward: Real, away: Real, temperature: Real, per: Level) -> Real =
  sigmoid(log_sum_exp(toward / temperature, per: per) - log_sum_exp(away / temperature, per: per))

# ------------------------------------------------------------------ novelty
## How unlike an answer is to the other answers of its group: 1 less the mean cosine to them, in [0, 2]; absent for a lone answer.
## `novelty(similarity(enc, y.text, others(y.text, per: prompt)))`.
fn novelty(alike: Real) -> Real = 1 - mean(alike, per: sample)

## 1 less the cosine to the most similar other answer, in [0, 2]: a copy has no novelty, however many others there are. As the distance
## to the nearest neighbour in Lehman and Stanley 2011, "Abandoning Objectives" (novelty search), with one neighbour.
fn nearest_novelty(alike: Real) -> Real = 1 - max(alike, per: sample)

## How alike an answer is to the other answers of its group, in [-1, 1]: consistency of meaning where no two texts are the same. Absent
## for a lone answer.
fn agreement(alike: Real) -> Real = mean(alike, per: sample)

# ------------------------------------------------------------------ votes
## 1 for the answers that say what most of their group say, else 0: the reward of self-consistency. `answer(y)` is what is compared, its
## normal form if forms differ (`text.normalize(answer(y), ignore_case: true)`). Of equally frequent texts the first. Wang et al. 2022,
## "Self-Consistency"; as a reward Zuo et al. 2025 (TTRL).
fn in_majority(said: Text, per: Level) -> Real =
  where(text.equal(said, majority(said, per: per)), 1, 0)

## The share of a group that says what most of it say, in (0, 1]: how sure the group is.
fn majority_share(said: Text, per: Level) -> Real = mean(in_majority(said, per: per), per: per)

## The share of its group that says the same as an answer, itself included, in (0, 1]: a vote that is not all or nothing. `-mean(log(…))`
## of it is the entropy of what a group says, in nats, which Zhang et al. 2025 (EMPO) minimise over clusters of meaning.
fn answer_share(said: Text, per: Level) -> Real = weighted_share(said, 1, per: per)

## The share of the weight of its group that stands behind what an answer says, in (0, 1]; a weight is 0 or more, and one of the group
## above 0: `exp(mean(y.logp, per: sample))`, a confidence that was stated, a score. Wang et al. 2024, "Soft Self-Consistency Improves
## Language Model Agents", score actions by probabilities instead of counting them.
fn weighted_share(said: Text, weight: Real, per: Level) -> Real = {
  let own = weight + 0 * text.length(said)
  let same = where(text.equal(said, others(said, per: per)), others(own, per: per), 0)
  (own + sum(same, per: sample)) / sum(own, per: per)
}

## 1 where an answer says what most answers of another view say, else 0: of two rollouts of the same prompts, or of prompts that mean the
## same, each is rewarded by the other. `agrees_across(answer(a), answer(b), per: prompt)`; absent where the other view says nothing.
## Zhang et al. 2025 (Co-Reward).
fn agrees_across(said: Text, other: Text, per: Level) -> Real =
  where(text.equal(said, majority(other, per: per)), 1, 0)

test "two anchors that are equally near share" {
  expect share_of_anchors(0.5, 0.5, 0.1) == 0.5
  # sigmoid(ln 3)
  expect share_of_anchors(0.1098612289, 0, 0.1) == 0.75 within 1e-9
}

test "the wanted anchors' part of the softmax" {
  let x = [0, 0] @ sample
  # 2 of 3 where all are alike; 3 + 1 against 1
  expect share_of_many(each(x, x), each(x, x - 100), 1, per: sample) == 0.6666666667 within 1e-9
  expect share_of_many(each(x + 1.0986122887, x), each(x, x - 100), 1, per: sample)
    == 0.8 within 1e-9
}

test "novelty is what the others have not said" {
  let alike = others([[0.2, 0.4, 0.9]] @ sample, per: prompt)
  expect novelty(alike) == [[0.35, 0.45, 0.7]] within 1e-12
  expect nearest_novelty(alike) == [[0.1, 0.1, 0.6]] within 1e-12
  expect agreement(alike) == [[0.65, 0.55, 0.3]] within 1e-12
}

test "a lone answer is neither new nor agreed upon" {
  expect (novelty(others([[1], [0.5, 0.5]] @ sample, per: prompt)) else -9) == [[-9], [0.5, 0.5]]
}

test "three of four say 7" {
  let said = [["7", "8", "7", "7"], ["1", "2"]] @ sample
  expect in_majority(said, per: prompt) == [[1, 0, 1, 1], [1, 0]]
  expect majority_share(said, per: prompt) == [0.75, 0.5]
  expect answer_share(said, per: prompt) == [[0.75, 0.25, 0.75, 0.75], [0.5, 0.5]] within 1e-12
}

test "a vote counts by its weight" {
  let said = [["7", "8", "7", "9"]] @ sample
  let weight = [[1, 3, 2, 4]] @ sample
  expect weighted_share(said, weight, per: prompt) == [[0.3, 0.3, 0.3, 0.4]] within 1e-12
}

test "each view is held against the other" {
  let a = [["7", "8", "7"]] @ sample
  let b = [["8", "8", "7"]] @ sample
  expect agrees_across(a, b, per: prompt) == [[0, 1, 0]]
  expect agrees_across(b, a, per: prompt) == [[0, 0, 1]]
}

## Losses over single answers that are marked desirable or not.
##
## `log_ratio` is the implicit reward of an answer: its summed log-ratio against the reference, nats @ sample, not yet times
## beta (`implicit_reward` of `preference`).

## What an answer lacks in value, as prospect theory has it: `weight (1 - sigmoid(beta (log_ratio - baseline)))` for a
## desirable one, `weight (1 - sigmoid(beta (baseline - log_ratio)))` for another, each kind with its own weight.
## Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization". TRL: `kto`.
fn kto(
  log_ratio: Real,
  desirable: Bool,
  baseline: Real,
  beta: Real,
  desirable_weight: Real,
  undesirable_weight: Real
) -> Real = {
  let gain = beta * (log_ratio - baseline)
  where(desirable, desirable_weight * sigmoid(-gain), undesirable_weight * sigmoid(gain))
}

## The baseline of `kto`, frozen: how far the policy is from the reference, `max(0, mean)` over the update batch of the
## log-ratios of answers read after the prompt of another row, which the data give as a field:
## `kto_baseline(implicit_reward(actor, ref, answer given rows.other_prompt))`. Ethayarajh et al. 2024; TRL is the same.
fn kto_baseline(mismatched: Real @ sample) -> Real = frozen(max(0, mean(mismatched)))

## `kto` with the baseline 0 and no weights: a single answer's part of `apo_zero`. TRL: `apo_zero_unpaired`.
fn apo_zero_unpaired(log_ratio: Real, desirable: Bool, beta: Real) -> Real =
  kto(log_ratio, desirable, 0, beta, 1, 1)

## Binary classification by the implicit reward: `-log sigmoid(beta log_ratio - shift)` of a desirable answer,
## `-log sigmoid(shift - beta log_ratio)` of another. Jung et al. 2024, "Binary Classifier Optimization for Large Language
## Model Alignment". `shift` is a `bco_shift`; TRL's is a running mean of all rewards, which a `state` keeps.
fn bco(log_ratio: Real, desirable: Bool, shift: Real, beta: Real) -> Real =
  where(desirable, -log_sigmoid(beta * log_ratio - shift), -log_sigmoid(shift - beta * log_ratio))

## The reward shift of `bco`, frozen: midway between the mean reward of desirable answers and that of others in the update
## batch. `reward` is beta times the log-ratio. Absent where one kind is missing. Ibid.
fn bco_shift(reward: Real @ sample, desirable: Bool) -> Real =
  frozen((mean(reward, where: desirable) + mean(reward, where: not desirable)) / 2)

## The weight of an undesirable answer where prompts of the two kinds differ: how much likelier its prompt is among
## desirable ones, `p / (1 - p)` between bounds, of the probability p that a classifier of prompts gives. Ibid. (underlying
## distribution matching). TRL bounds it by 0.5 and 10.
fn density_ratio(probability: Real, bounds: Bounds) -> Real =
  frozen(clip(probability / (1 - probability), bounds))

test "at the baseline an answer costs half its weight" {
  let liked = [1, 0] @ sample
  expect kto(0.4, liked == 1, 0.4, 0.1, 1, 1.5) == [0.5, 0.75] within 1e-12
}

test "KTO of an answer three times as likely: 1/4 where it is desirable, 3/4 where it is not" {
  let liked = [1, 0] @ sample
  let d = live([1.0986122887, 1.0986122887] @ sample)
  let loss = kto(d, liked == 1, 0, 1, 1, 1)
  expect loss == [0.25, 0.75] within 1e-9
  expect gradient(sum(loss), of: d) == [-0.1875, 0.1875] within 1e-9
}

test "the baseline of KTO is not negative, and no gradient flows through it" {
  let d = live([3, -1] @ sample)
  expect kto_baseline(d) == 1
  expect kto_baseline(-d) == 0
  expect gradient(kto_baseline(d), of: d) == [0, 0]
}

test "unpaired APO zero is KTO without a baseline" {
  let liked = [1, 0] @ sample
  let d = [2, -1] @ sample
  expect apo_zero_unpaired(d, liked == 1, 0.1) == [0.4501660027, 0.4750208125] within 1e-9
}

test "BCO is the cross-entropy of the label, the shift the decision's bound" {
  # 0.5 * 4 - 1 = 1: ln(1 + exp(-1)), and ln(1 + exp(1))
  let liked = [1, 0, 1] @ sample
  let d = live([4, 4, 2] @ sample)
  let loss = bco(d, liked == 1, 1, 0.5)
  expect loss == [0.3132616875, 1.3132616875, 0.6931471806] within 1e-9
  # -0.5 sigmoid(-1), 0.5 sigmoid(1), -0.5 / 2
  expect gradient(sum(loss), of: d) == [-0.1344707107, 0.3655292893, -0.25] within 1e-9
}

test "the shift lies midway between the kinds, however many there are of each" {
  let liked = [1, 1, 1, 0] @ sample
  let reward = live([1, 2, 3, -4] @ sample)
  expect bco_shift(reward, liked == 1) == -1
  expect gradient(bco_shift(reward, liked == 1), of: reward) == [0, 0, 0, 0]
}

test "a prompt as likely among both kinds weighs 1, and no weight leaves its bounds" {
  let p = [0.5, 0.8, 0.99, 0.01] @ sample
  expect density_ratio(p, 0.5 .. 10) == [1, 4, 10, 0.5] within 1e-12
}

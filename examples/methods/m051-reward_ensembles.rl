## Reward model ensembles (UWO, WCO): an answer is worth what five reward models agree on.
## Paper: Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization".
##
## Five reward models of different seeds are fitted to the same preferences, a quarter of which is flipped. PPO then climbs their
## mean less a multiple of their variance (UWO); `worst` 1 takes the smallest of the five instead (WCO). The eval is best-of-2 by
## the ensemble, as the unbiased estimate from all answers drawn: of each answer its true worth, weighted by how often it
## would be the best of two by the proxy.
## The paper: variance weight 0.5 for best-of-n with the population's variance, 0.1 for PPO with the unbiased one (as its code has
## it), KL 0.1 at the start, discount 1, lambda 0.95, ratio in 0.8 .. 1.2, up to 12500 answers for best-of-n.

import std.divergence (k1)
import std.returns (gae)
import std.reward_model (
  bradley_terry,
  ensemble_mean,
  ensemble_variance,
  ensemble_variance_population,
  uncertainty_weighted,
  worst_case
)
import std.surrogate (clipped)
import std.value (clipped_value_loss)

param worst: Real in {0, 1} = 0
param weight: Real in [0, 10] = 0.1
param kl_weight: Real in [0, 1] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data pairs from python("tasks.letters:preferences", count: 1024, flipped: 0.25) {
  question: Text
  answer:   Text target
  chosen:   Text
  rejected: Text
}
data unseen from python("tasks.letters:preferences", count: 64, seed: 1) {
  question: Text
  answer:   Text target
  chosen:   Text
  rejected: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy ref = frozen(actor)
critic v from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
scorer first from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"), seed: 1)
scorer second from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"), seed: 2)
scorer third from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"), seed: 3)
scorer fourth from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"), seed: 4)
scorer fifth from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"), seed: 5)

response win = pairs.chosen given pairs.question
response lose = pairs.rejected given pairs.question

rollout y ~ actor(pairs.question) { samples: samples, max_tokens: 4 }

let scores =
  each(score(first, y), score(second, y), score(third, y), score(fourth, y), score(fifth, y))

reward cautious =
  where(
    worst > 0,
    worst_case(scores),
    uncertainty_weighted(ensemble_mean(scores), ensemble_variance(scores), weight)
  )
reward gold = text.ends_with(y.text, pairs.answer)

let proxy = uncertainty_weighted(ensemble_mean(scores), ensemble_variance_population(scores), 0.5)
let paid = at_last(cautious, y) - kl_weight * k1(actor, ref, y)
let before = value(v, y)
let raw = gae(paid, before, discount: 1.0, lambda: 0.95)
let advantage = normalize(raw, per: batch, guard: 1e-8)
let target = raw + before

## The expected worth of the better of two answers by a proxy: the answer of rank r is chosen by `N - 1 - r` of the others.
fn best_of_two(worth: Real @ sample, proxy: Real @ sample) -> Real @ prompt = {
  let many = count(proxy, per: prompt)
  let beaten = many - 1 - rank(proxy, per: prompt, descending: true)
  sum(worth * 2 * beaten / (many * max(many - 1, 1)), per: prompt)
}

objective fit_first for first {
  minimize loss: mean(bradley_terry(score(first, win), score(first, lose)))
}
objective fit_second for second {
  minimize loss: mean(bradley_terry(score(second, win), score(second, lose)))
}
objective fit_third for third {
  minimize loss: mean(bradley_terry(score(third, win), score(third, lose)))
}
objective fit_fourth for fourth {
  minimize loss: mean(bradley_terry(score(fourth, win), score(fourth, lose)))
}
objective fit_fifth for fifth {
  minimize loss: mean(bradley_terry(score(fifth, win), score(fifth, lose)))
}

objective ppo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

objective values for v {
  minimize error: mean(clipped_value_loss(value(v, y), before, target, 0.2))
}

eval best_of on unseen { rows: 32 report best_of_two(gold, proxy), mean(gold) }

train {
  stage reward_models {
    repeat warm {
      draw 32 rows
      update first with fit_first { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update second with fit_second { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update third with fit_third { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update fourth with fit_fourth { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update fifth with fit_fifth { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  evaluate best_of
  stage ppo {
    repeat steps {
      draw prompts prompts
      update actor with ppo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      update v with values { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "scores 1, 2 and 3 of one answer" {
  let three = each(1, 2, 3)
  expect worst_case(three) == 1
  expect ensemble_mean(three) == 2
  expect uncertainty_weighted(ensemble_mean(three), ensemble_variance_population(three), 0.5)
    == 1.6666666667 within 1e-9
  expect uncertainty_weighted(ensemble_mean(three), ensemble_variance(three), 0.1)
    == 1.9 within 1e-12
}

test "the best of 2 of three answers worth 1, 2 and 3" {
  let worth = [1, 2, 3] @ sample
  expect best_of_two(worth, worth) == [2.6666666667] within 1e-9
  expect best_of_two(worth, worth) == pass_at(2, worth) within 1e-12
}

test "by a proxy that ranks them the other way it is the worst of 2" {
  let worth = [1, 2, 3] @ sample
  expect best_of_two(worth, -worth) == [1.3333333333] within 1e-9
}

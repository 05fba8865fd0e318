## Best-of-N and the tilt: how far the best of N answers is from the policy that drew them, and a policy that learns to give it at once.
## Paper: Yang et al. 2024, "Asymptotics of Language Model Alignment".
##
## The best of N answers has a divergence of `log N - (N - 1) / N` nats from the policy that drew them, less where answers repeat; the
## best trade of reward against divergence is the exponential tilt `p exp(r / beta)`, and as N grows the two agree in reward. The
## policy imitates the best of N answers of the frozen start; a guard watches that its divergence stays below the bound.
## The paper is theory. Stands in: a verifier for the reward.

import std.supervised (raft)

param samples: Int in [2, 64] = 4
param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 30

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy start = frozen(actor)

rollout y ~ start(problems.question) { samples: samples, max_tokens: 3 }
rollout z ~ actor(problems.question) { samples: 1, max_tokens: 3 }

reward correct = text.ends_with(y.text, problems.answer)
reward reached = text.ends_with(z.text, problems.answer)

## The divergence of the best of n from the policy that draws, at most; nats.
fn best_of_n_bound(n: Real) -> Real = log(n) - (n - 1) / n

## The probability of each of two answers to be the best of n, the first being worth more.
fn best_of_n(p: Real, n: Real) -> Real = 1 - (1 - p) ^ n

## The tilt of a probability by a reward, of two answers of which the other is worth 0.
fn tilted(p: Real, reward: Real, beta: Real) -> Real =
  p * exp(reward / beta) / (p * exp(reward / beta) + 1 - p)

objective imitation for actor {
  minimize nll: raft(logp(actor, y), correct)
}

# the divergence of whole answers, by what the policy draws
guard mean(sum(kl(actor, start, z), per: sample)) <= best_of_n_bound(samples) else warn

train {
  repeat steps {
    draw prompts prompts
    update actor with imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "of two even answers the best of two has 3/4, the tilt at beta 1 has 0.731" {
  expect best_of_n(0.5, 2) == 0.75
  expect tilted(0.5, 1, 1) == 0.7310585786 within 1e-9
}

test "four answers are at most 0.636 nats away" {
  expect best_of_n_bound(4) == 0.6362943611 within 1e-9
  expect best_of_n_bound(1) == 0
}

test "the divergence of the best of n keeps to the bound" {
  let p = [0.5, 0.1, 0.01] @ sample
  let best = best_of_n(p, 4)
  expect best * log(best / p) + (1 - best) * log((1 - best) / (1 - p)) <= best_of_n_bound(4)
}

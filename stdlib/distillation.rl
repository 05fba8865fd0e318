## Learning from a teacher's distributions. The student is the policy under training, the teacher frozen; nats per token.
##
## Whose answers are read decides as much as the divergence: a `response` of the data, or a rollout of the student's own. A
## teacher that only writes answers is learned from by `nll` of `supervised` (sequence-level distillation).

import std.divergence (js_straight_through_of, k2_of)

## KL(teacher||student), exact over the vocabulary: cross-entropy with soft labels; covers all that the teacher may say. A
## `temperature` softens both; for gradients of the size of those at 1, multiply by its square.
## Hinton et al. 2015, "Distilling the Knowledge in a Neural Network". TRL (`gkd`, `distillation`): `beta` 0.
fn forward_kl(teacher: Policy, student: Policy, y: Response, temperature: Real) -> Real @ token =
  kl(teacher, student, y, temperature: temperature)

## KL(student||teacher), exact over the vocabulary: the student says nothing that the teacher would not. On the student's
## own rollouts, on-policy distillation. Gu et al. 2023 (MiniLLM), of each token alone. TRL: `beta` 1.
fn reverse_kl(teacher: Policy, student: Policy, y: Response, temperature: Real) -> Real @ token =
  kl(student, teacher, y, temperature: temperature)

## The Jensen-Shannon divergence of both, exact over the vocabulary: half KL(teacher||m) and half KL(student||m), m their even
## mixture. Agarwal et al. 2023, "On-Policy Distillation of Language Models" (GKD), equation 1 at beta 1/2. TRL: `beta` 0.5.
fn jensen_shannon(
  teacher: Policy,
  student: Policy,
  y: Response,
  temperature: Real
) -> Real @ token = js(student, teacher, y, temperature: temperature)

## The generalised Jensen-Shannon divergence, exact over the vocabulary: `share KL(teacher||m) + (1 - share) KL(student||m)`,
## `m = share teacher + (1 - share) student`, `share` in (0, 1) and known when the spec is compiled. Ibid., equation 1, whose
## beta is `share`; over `share` it tends to the forward KL at 0. TRL: `beta`, but for its ends, where TRL takes the KLs.
fn generalized_jsd(
  teacher: Policy,
  student: Policy,
  y: Response,
  share: Real in (0, 1),
  temperature: Real
) -> Real @ token = js(teacher, student, y, weight: share, temperature: temperature)

## The generalised Jensen-Shannon divergence from sampled tokens of the student's own: `share KL(teacher||m) + (1 - share)
## KL(student||m)`, `m = share teacher + (1 - share) student`, `share` in (0, 1); unbiased in value and, as a loss, in gradient.
## `log_ratio` is `k1(student, teacher, y)`. Ibid., whose beta is `share` and whose sum is over the vocabulary. TRL takes the
## KL divergences for beta 0 and 1, of which this is not the limit: there it is 0.
fn sampled_generalized_jsd(log_ratio: Real @ token, share: Real in (0, 1)) -> Real @ token =
  js_straight_through_of(log_ratio, 1 - share)

## On-policy distillation from the teacher's log-probabilities of the sampled tokens alone, to be minimised: `-A log p`,
## `A_t = sum_k discount^k (log teacher - log p)_{t + k}`, frozen. Its expected gradient is that of the reverse KL of each
## token with discount 0, of whole answers with discount 1. Gu et al. 2023 (MiniLLM); Lu 2025, "On-Policy Distillation"
## (Thinking Machines), and verl with `use_policy_gradient`: discount 0. `log_p` is live, of rollouts of the student.
fn on_policy_distillation(
  log_p: Real @ token,
  teacher: Real @ token,
  discount: Real
) -> Real @ token = -frozen(scan(teacher - log_p, decay: discount, from: end)) * log_p

## The distillation term of KDRL, beside a policy gradient: k2 of the log-ratio of student and teacher at tokens of the
## student's, whose expected gradient is that of the reverse KL; 0 where it is not `needed`. `needed` is `reward == 0` (by
## answers), or `is_unsolved(reward)` (by groups). Xu et al. 2025, "KDRL: Post-Training Reasoning LLMs via Unified Knowledge
## Distillation and Reinforcement Learning"; its weight falls from 5e-3 to 1e-3. In a mean, tokens that do not need it count
## as 0; `mean(k2_of(…), where: needed)` leaves them out. AReaL's joint loss minimises the mean of k1
## instead, whose expected gradient is 0 (RL301).
fn kdrl(log_ratio: Real @ token, needed: Bool) -> Real @ token = where(needed, k2_of(log_ratio), 0)

## Whether no answer to a prompt has a reward above 0.
fn is_unsolved(reward: Real @ sample) -> Bool @ prompt = max(reward, per: prompt) <= 0

test "each token is pushed by how much likelier the teacher finds it, or by all that follow as well" {
  let log_p = live([[-1, -2, -1]] @ token)
  let teacher = [[-0.5, -4, -1.5]] @ token
  expect gradient(sum(on_policy_distillation(log_p, teacher, 0)), of: log_p) == [[-0.5, 2, 0.5]]
  expect gradient(sum(on_policy_distillation(log_p, teacher, 1)), of: log_p) == [[2, 2.5, 0.5]]
}

test "with discount 0 the gradient is that of k2" {
  let log_p = live([[-1, -2, -1], [-3]] @ token)
  let teacher = [[-0.5, -4, -1.5], [-0.1]] @ token
  let by_reward = gradient(sum(on_policy_distillation(log_p, teacher, 0)), of: log_p)
  expect by_reward == gradient(sum(k2_of(log_p - teacher)), of: log_p) within 1e-12
}

test "a token twice as likely to the student, with a share of 1/4" {
  # p / m = 1 / (3/4 + 1/4 / 2) = 8/7: 1/4 * 1/2 * log(4/7) + 3/4 * log(8/7), slope 3/4 * log(8/7)
  let log_ratio = live([[0.6931471806]] @ token)
  let loss = sampled_generalized_jsd(log_ratio, 0.25)
  expect loss == [[0.0301965703]] within 1e-9
  expect gradient(sum(loss), of: log_ratio) == [[0.1001485446]] within 1e-9
}

test "KDRL distils where it is needed" {
  let reward = [[1, 0], [0, 0]] @ sample
  let log_ratio = live([[[2], [1, -1]], [[3], [4]]] @ token)
  expect kdrl(log_ratio, reward == 0) == [[[0], [0.5, 0.5]], [[4.5], [8]]]
  expect kdrl(log_ratio, is_unsolved(reward)) == [[[0], [0, 0]], [[4.5], [8]]]
  expect gradient(sum(kdrl(log_ratio, is_unsolved(reward))), of: log_ratio)
    == [[[0], [0, 0]], [[3], [4]]]
}

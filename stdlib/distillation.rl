## Learning from a teacher's distributions. The student is the policy under training, the teacher frozen; nats per token.
##
## Whose answers are read decides as much as the divergence: a `response` of the data, or a rollout of the student's own. A
## teacher that only writes answers is learned from by `nll` of `supervised` (sequence-level distillation).

import std.divergence (k2_of)

## KL(teacher||student), exact over the vocabulary: cross-entropy with soft labels; covers all that the teacher may say. A
## `temperature` softens both; for gradients of the size of those at 1, multiply by its square.
## Hinton et al. 2015, "Distilling the Knowledge in a Neural Network". TRL (`gkd`, `distillation`): `beta` 0.
fn forward_kl(teacher: Policy, student: Policy, y: Response, temperature: Real) -> Real @ token =
  kl(teacher, student, y, temperature: temperature)

## KL(student||teacher), exact over the vocabulary: the student says nothing that the teacher would not. On the student's
## own rollouts, on-policy distillation. Gu et al. 2023 (MiniLLM), of each token alone. TRL: `beta` 1.
fn reverse_kl(teacher: Policy, student: Policy, y: Response, temperature: Real) -> Real @ token =
  kl(student, teacher, y, temperature: temperature)

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
## as 0; `mean(k2_of(…), where: needed)` leaves them out.
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

test "KDRL distils where it is needed" {
  let reward = [[1, 0], [0, 0]] @ sample
  let log_ratio = live([[[2], [1, -1]], [[3], [4]]] @ token)
  expect kdrl(log_ratio, reward == 0) == [[[0], [0.5, 0.5]], [[4.5], [8]]]
  expect kdrl(log_ratio, is_unsolved(reward)) == [[[0], [0, 0]], [[4.5], [8]]]
  expect gradient(sum(kdrl(log_ratio, is_unsolved(reward))), of: log_ratio)
    == [[[0], [0, 0]], [[3], [4]]]
}

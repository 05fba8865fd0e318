## Shaping: what is added to, or multiplied into, a reward so that answers keep a length, a form and some variety.
##
## `length` is `y.length` (tokens), `text.length(y.text)` (characters), `text.words(y.text)` or any other measure: the unit is the
## caller's. Every function is of one answer, or of the answers to one prompt where its comment says so; all results have the level of
## what they are given. `curve(x, [0, 100, 200], [1, 1, 0])` of the language draws any other shape, and `param`s may be schedules:
## `param strength: Real in [0, 1] = linear(0 -> 1, steps: 200)`.

# ------------------------------------------------------------------ length
## Nothing up to `longest - cache`, then falling straight to -1 at `longest`, and -1 beyond. Yu et al. 2025 (DAPO), equation 13.
## TRL: `get_soft_overlong_punishment(longest, cache)`; verl's DAPO manager multiplies by a factor, and does not stop at -1, which
## answers that are cut at `longest` never pass.
fn soft_overlong(length: Real, longest: Real, cache: Real) -> Real =
  -clip((length - (longest - cache)) / cache, 0 .. 1)

## `1/2 - (length - shortest) / (longest - shortest)` of the answers to a prompt for a right answer, at most 0 for a wrong one; 0
## where all are of one length. `correct` is 0 or 1. Kimi Team 2025, "Kimi k1.5", section 2.3.3.
fn kimi_length(length: Real @ sample, correct: Real @ sample) -> Real @ sample = {
  let shortest = min(length, per: prompt)
  let spread_of_lengths = max(length, per: prompt) - shortest
  let share = 0.5 - (length - shortest) / max(spread_of_lengths, 1)
  where(spread_of_lengths > 0, where(correct > 0, share, min(share, 0)), 0)
}

## `correct - strength |target - length|`: the answer is to have a length that its prompt asks for. Aggarwal and Welleck 2025, "L1"
## (LCPO-Exact); strength 0.0003 there, in tokens.
fn exact_length(correct: Real, length: Real, target: Real, strength: Real) -> Real =
  correct - strength * abs(target - length)

## `correct clip(strength (target - length) + slack, 0 .. 1)`: a budget that is softly kept. Ibid. (LCPO-Max); strength 0.0003, slack 0.5
## there.
fn length_budget(correct: Real, length: Real, target: Real, strength: Real, slack: Real) -> Real =
  correct * clip(strength * (target - length) + slack, 0 .. 1)

## From `at_start` (of an empty answer) to `at_end` (of one of `longest`) along half a cosine:
## `at_end + (at_start - at_end) (1 + cos(pi length / longest)) / 2`; `at_end` beyond.
fn cosine_curve(length: Real, longest: Real, at_start: Real, at_end: Real) -> Real =
  at_end + (at_start - at_end) * (1 + cos(3.141592653589793 * clip(length / longest, 0 .. 1))) / 2

## The cosine length reward: right answers fall from `right_short` to `right_long` with their length, wrong ones rise from
## `wrong_short` to `wrong_long`, so that long thought pays where the answer is not found yet; `exceeded` for an answer that is as
## long as `longest`. `correct` is 0 or 1. Yeo et al. 2025, "Demystifying Long Chain-of-Thought Reasoning in LLMs"; there 2, 1,
## -10, 0 and -10.
fn cosine_length(
  correct: Real,
  length: Real,
  longest: Real,
  right_short: Real,
  right_long: Real,
  wrong_short: Real,
  wrong_long: Real,
  exceeded: Real
) -> Real =
  where(
    length >= longest,
    exceeded,
    where(
      correct > 0,
      cosine_curve(length, longest, right_short, right_long),
      cosine_curve(length, longest, wrong_short, wrong_long)
    )
  )

## Right answers that are no longer than the prompt's mean right answer get up to `strength` more, longer ones up to `strength`
## less: `correct (1 - strength sigmoid(z))` with the deviation `z` of the length among the right answers. Arora and Zanette 2025,
## "Training Language Models to Reason Efficiently". Lengths that are all the same count as the mean. `correct` is 0 or 1.
fn efficient_length(
  correct: Real @ sample,
  length: Real @ sample,
  strength: Real
) -> Real @ sample = {
  let average = mean(length, per: prompt, where: correct > 0)
  let deviation = std_population(length, per: prompt, where: correct > 0)
  let z = where(deviation > 0, (length - average) / max(deviation, 1e-9), 0) else 0
  correct * (1 - strength * sigmoid(z))
}

# ------------------------------------------------------------------ repetition
## `-most` times the share of runs of three words that the answer has said before; `text.repetition` has any other number, and
## characters. As Open R1's repetition penalty, which lowers the case first. Yeo et al. 2025 charge the tokens of each repeated run
## instead of the answer.
fn repetition_penalty(answer: Text, most: Real) -> Real = -most * text.repetition(answer, n: 3)

## Distinct-2: the share of pairs of words that are different, 1 for fewer than two words. Li et al. 2016, "A Diversity-Promoting
## Objective Function for Neural Conversation Models", whose measure is over a whole set of answers.
fn distinct_2(answer: Text) -> Real = 1 - text.repetition(answer, n: 2)

# ------------------------------------------------------------------ form
## 1 for an answer of `<think>…</think>` and `<answer>…</answer>`, each once, with nothing outside of them; else 0.
## DeepSeek-AI 2025, "DeepSeek-R1", section 2.2.2 (format rewards).
fn think_answer(answer: Text) -> Real = verify.tags(answer, "think answer", outside: nothing)

## A format gate: what is `earned` in the right form, `otherwise` in any other. `well_formed` is 0 or 1.
fn in_form(well_formed: Real, earned: Real, otherwise: Real) -> Real =
  where(well_formed > 0, earned, otherwise)

# ------------------------------------------------------------------ tools
## `-each` times the calls above `free`, at most `most`: calls are to be worth their price. `calls` is a count, for example
## `text.count(y.text, "<tool_call>")`.
fn call_price(calls: Real, free: Real, each: Real, most: Real) -> Real =
  -min(each * relu(calls - free), most)

# ------------------------------------------------------------------ curves and caps
## From `low` to `high` while `x` goes from `start` to `end`, straight, and flat outside.
fn ramp(x: Real, start: Real, end: Real, low: Real, high: Real) -> Real =
  low + (high - low) * clip((x - start) / (end - start), 0 .. 1)

## What is above `most` counts only `share` of itself, so that a term that is easily driven up cannot outweigh the rest.
fn soft_cap(x: Real, most: Real, share: Real) -> Real = min(x, most) + share * relu(x - most)

## A bonus that is paid only as far as the `reward` itself is there: `reward + bonus reward`, for a reward in [0, 1]. Wrong answers
## cannot earn it.
fn earned_bonus(reward: Real, bonus: Real) -> Real = reward * (1 + bonus)

test "DAPO's soft punishment of answers between 80 and 100" {
  let n = [0, 80, 85, 100, 120] @ sample
  expect soft_overlong(n, 100, 20) == [0, 0, -0.25, -1, -1]
}

test "Kimi's length reward ranges over the answers to a prompt" {
  let n = [[10, 20, 30], [7, 7]] @ sample
  let right = [[1, 0, 0], [1, 0]] @ sample
  # 1/2, min(0, 0), min(-1/2, 0); all of one length: 0
  expect kimi_length(n, right) == [[0.5, 0, -0.5], [0, 0]]
}

test "Kimi: a wrong answer never gains by being short" {
  expect kimi_length([[10, 20]] @ sample, [[0, 1]] @ sample) == [[0, -0.5]]
}

test "L1: at the length that was asked for, and off it" {
  let n = [400, 500, 700] @ sample
  expect exact_length(1, n, 500, 0.001) == [0.9, 1, 0.8] within 1e-12
  # 0.001 * 100 + 0.5, 0.5, 0.001 * -200 + 0.5
  expect length_budget(1, n, 500, 0.001, 0.5) == [0.6, 0.5, 0.3] within 1e-12
  expect length_budget(0, n, 500, 0.001, 0.5) == [0, 0, 0]
}

test "a cosine from 2 to 1, and half way at half the length" {
  let n = [0, 50, 100, 200] @ sample
  expect cosine_curve(n, 100, 2, 1) == [2, 1.5, 1, 1] within 1e-12
  # (1 + cos(pi / 4)) / 2
  expect cosine_curve(25, 100, 1, 0) == 0.8535533906 within 1e-9
}

test "right answers fall, wrong ones rise, and what is cut is cut" {
  let n = [0, 50, 100] @ sample
  expect cosine_length(1, n, 100, 2, 1, -10, 0, -20) == [2, 1.5, -20] within 1e-12
  expect cosine_length(0, n, 100, 2, 1, -10, 0, -20) == [-10, -5, -20] within 1e-12
}

test "the slope of a cosine is greatest in the middle" {
  let n = live([0, 50, 100] @ sample)
  # pi / 200
  expect gradient(sum(cosine_curve(n, 100, 0, 1)), of: n) == [0, 0.0157079633, 0] within 1e-9
}

test "efficient answers: the mean right length loses half of the strength" {
  let n = [[10, 20, 30, 90], [5, 5]] @ sample
  let right = [[1, 1, 1, 0], [1, 0]] @ sample
  # lengths 10, 20, 30: deviation sqrt(200 / 3), z = -1.2247, 0, 1.2247
  expect efficient_length(right, n, 0.4)
    == [[0.9091589922, 0.8, 0.6908410078, 0], [0.8, 0]] within 1e-9
}

test "a phrase that comes again is charged" {
  # runs of 3 words: abc bca cab abc, one of four said before
  expect repetition_penalty("a b c a b c", 2) == -0.5
  expect repetition_penalty("a b c d", 2) == 0
  # ab bc ca ab bc: 3 of 5
  expect distinct_2("a b c a b c") == 0.6 within 1e-12
}

test "the form is all or nothing, and may gate what is earned" {
  expect think_answer("<think>a</think> <answer>b</answer>") == 1
  expect think_answer("So: <think>a</think> <answer>b</answer>") == 0
  expect in_form([1, 0] @ sample, 0.7, -1) == [0.7, -1]
}

test "the first two calls are free, and ten never cost more than 1" {
  expect call_price([0, 2, 3, 10] @ sample, 2, 0.25, 1) == [0, 0, -0.25, -1]
}

test "ramps and caps" {
  expect ramp([0, 10, 15, 20, 99] @ sample, 10, 20, 1, 3) == [1, 1, 2, 3, 3]
  expect soft_cap([0.5, 1, 3, 0, -1] @ sample, 1, 0.1) == [0.5, 1, 1.2, 0, -1] within 1e-12
  expect earned_bonus(1, 0.2) == 1.2
  expect earned_bonus(0, 0.2) == 0
}

test "a curve goes through its points, and stays flat outside" {
  let x = [[-1, 0, 50, 100, 150, 300]] @ sample
  expect curve(x, [0, 100, 200], [1, 1, 0]) == [[1, 1, 1, 1, 0.5, 0]]
}

test "what is absent is nowhere on a curve" {
  expect (curve([[absent, 3]] @ sample, [0, 1], [1, 1]) else -9) == [[-9, 1]]
}

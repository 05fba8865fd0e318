## Every kind of reward at once, each for what it can see: verifiers and tests for what is right, a rubric, preferences and verdicts on
## steps for what a judge can read, an embedder for likeness, two reward models for taste, shaping for length. A sum is worked out as
## two lines of Python that end with what comes out: `2+3*4>` asks for `a=3*4`, `b=2+a #14`.
##
## The judge is any server that speaks the OpenAI-compatible protocol. One that needs no model:
## `python examples/tasks/sums_judge.py --port 8000`, then `JUDGE_URL=http://localhost:8000/v1 rldsl run examples/rewards.rl`.
## With that one, 60 iterations bring 0 to 94 % of the tests and 1 to 4 % of the sums: how to go about it is learned, to reckon is not.
## What each part was, answer by answer, is in the run's report; `rldsl score examples/rewards.rl FILE` gives it for answers that exist.

import std.contrast (contrast)
import std.reward_model (bradley_terry)
import std.shaping (soft_overlong)
import std.surrogate (clipped)
import std.watch (at_start, correlation, disagreement, moved)

param prompts: Int in [1, 4096] = 16
param steps: Int in [1, 100000] = 60
param slip: Real in [0, 1] = 0.5

data shown from python("tasks.worked_sums:pairs", count: 2048) {
  question: Text
  chosen:   Text
  rejected: Text
}
data problems from python("tasks.worked_sums:problems", count: 2048) {
  question: Text
  answer:   Text target
  worked:   Text target
  tests:    Json target
}

policy actor from tiny(
  layers: 2,
  width: 96,
  heads: 4,
  tokenizer: characters("0123456789ab=+*# >\n")
)
scorer one from tiny(
  layers: 2,
  width: 64,
  heads: 2,
  seed: 1,
  tokenizer: characters("0123456789ab=+*# >\n")
)
scorer two from tiny(
  layers: 2,
  width: 64,
  heads: 2,
  seed: 2,
  tokenizer: characters("0123456789ab=+*# >\n")
)
embedder enc from tiny(
  layers: 1,
  width: 64,
  heads: 2,
  initial: 0.2,
  tokenizer: characters("0123456789ab=+*# >\n<pdeos")
) { pooling: mean }
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) {
  timeout: 30s
  max_tokens: 512
  most_calls: 50000
}

response better = shown.chosen given shown.question for actor
response worse = shown.rejected given shown.question for actor

rollout y ~ actor(problems.question) { samples: 4, max_tokens: 20, temperature: 1.0 }

# Verifiers: the number behind `#` is the last one; the lines run as they stand, in a process of their own.
reward right = verify.number(y.text, problems.answer)
reward runs =
  verify.tests(y.text, problems.tests, isolate: process, from: whole, score: share, timeout: 5s)
reward outcome = 0.5 * right + 0.5 * runs

# A rubric: where the gate is closed the judge is asked nothing else about the answer.
rubric clear judged by grader {
  scale: ordinal(no: 0, partly: 1, yes: 2)
  "Each line is one operation"            weight 2
  "The last line says what comes out"     weight 1
  "A line says what another has said"     penalty 1
  "It is lines of sums and nothing else"  gate 0.5 { scale: binary }
}

reward style = clear(y.text, question: problems.question)

# Preferences: each answer against the one that follows it in its group, in both orders. One that is alone has no opponent.
reward wins =
  mean(
    prefer(grader, y.text, others(y.text, per: prompt), question: problems.question, matches: 1),
    per: sample
  )
  else 0.5

# Process: the judge says where steps begin, then which are right. An answer whose judge fails is in doubt, and no more.
let parts = split(y.text, by: grader)
let sound = prm(grader, parts, question: problems.question) else 0.5

reward weakest = min(sound, per: sample)

# Contrast: more like the lines that were wanted than like the question said again.
reward near = contrast(enc, y.text, toward: problems.worked, away: problems.question)

# Reward models: two learn from the same pairs, and the worse of their scores counts. Where one doubts, the other is not trusted.
let members = each(sigmoid(score(one, y)), sigmoid(score(two, y)))

reward worst = min(members, per: sample)

# Shaping: what is longer than 18 tokens costs, up to 1 at 20.
reward brief = soft_overlong(y.length, 20, 2)

reward total =
  0.4 * outcome
  + 0.15 * style
  + 0.1 * wins
  + 0.15 * weakest
  + 0.1 * near
  + 0.1 * worst
  + 0.1 * brief

# What nobody is trained on: whether the answer is the one that was wanted, letter by letter.
reward honest held out = verify.equal(y.text, problems.worked)

# Answers are compared within their group; the tokens of a step that is judged wrong get less than their answer.
let advantage = normalize(total, per: prompt, guard: 1e-4) - slip * where(sound < 0.5, 1, 0)

objective prefer_one for one {
  minimize loss: mean(bradley_terry(score(one, better), score(one, worse)))
}

objective prefer_two for two {
  minimize loss: mean(bradley_terry(score(two, better), score(two, worse)))
}

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28))
  minimize imitation: -mean(logp(actor, better))
}

state total_first: Real = 0
total_first <- at_start(mean(total), total_first)

# A reward that moves far while nothing more is solved, that follows length, or whose models disagree, is being gamed.
guard moved(total, at_start(mean(total), total_first), 0.3) < 2 or mean(honest) > 0.05 else stop
guard correlation(total, y.length) < 0.99 else warn
guard disagreement(members, per: sample) < 0.45 else warn

train {
  repeat steps {
    draw 32 rows from shown
    draw prompts prompts from problems
    update one with prefer_one { optimizer: adamw(lr: 1e-3) }
    update two with prefer_two { optimizer: adamw(lr: 1e-3) }
    update actor with grpo { minibatch: 8 prompts, optimizer: adamw(lr: 2e-3), clip_gradient: 1.0 }
  }
}

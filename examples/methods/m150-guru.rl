## Guru: GRPO on six domains at once, each row sent to the verifier of its domain.
## Paper: Cheng et al. 2025, "Revisiting Reinforcement Learning for LLM Reasoning from A Cross-Domain Perspective".
##
## Sums are checked by their number, programs by tests, facts by a model, orders, counters and tables by comparison. A tag says which;
## a tag that nobody knows stops the run instead of being worth 0.
## The paper: 92K prompts after two filters by difficulty, 16 answers at temperature 1, ratio in 0.8 .. 1.2, dual clip 10, no KL,
## 512 prompts of which 64 make an update batch, lr 1e-6. Stands in: a row of digits for a problem.

import std.surrogate (dual_clipped)

param samples: Int in [2, 64] = 16
param prompts: Int in [2, 4096] = 12
param steps: Int in [1, 100000] = 30

data problems from python("tasks.domains:problems", count: 1200) {
  question: Text
  domain:   Text
  answer:   Text target
}

policy actor from tiny(
  layers: 2,
  width: 48,
  heads: 4,
  tokenizer: characters("mcflst01234x+yn5678>")
)

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 4, temperature: 1.0 }

extern fn tests_pass(text: Text, program: Text) -> Real in {0, 1} = python(
  "tasks.domains:tests_pass"
) { timeout: 5s }
extern fn model_verdict(text: Text, answer: Text) -> Real in {0, 1} = python(
  "tasks.domains:model_verdict"
)

reward correct = verified(y.text, problems.answer, problems.domain) else stop

let advantage = normalize(correct, per: prompt, guard: 1e-6)

## The verdict of the verifier that a domain has; absent for a tag that is none.
fn verified(said: Text, answer: Text, domain: Text) -> Real =
  where(
    text.equal(domain, "math"),
    by_number(said, answer),
    where(
      text.equal(domain, "code"),
      tests_pass(said, answer),
      where(
        text.equal(domain, "science"),
        model_verdict(said, answer),
        where(
          text.equal(domain, "logic")
            or text.equal(domain, "simulation")
            or text.equal(domain, "tabular"),
          verify.equal(said, answer),
          absent
        )
      )
    )
  )

## 1 where two texts end in the same number; the second may be none.
fn by_number(said: Text, answer: Text) -> Real =
  where((text.number(said) else -1) == (text.number(answer) else -2), 1, 0)

objective guru for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(dual_clipped(ratio, advantage, 0.8 .. 1.2, 10))
}

train {
  repeat steps {
    draw prompts prompts
    update actor with guru { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
  }
}

test "each row goes to the verifier of its domain" {
  let domain = ["math", "code", "science", "logic", "simulation", "tabular"] @ sample
  let answer = ["7", "x+2", "y", "13", "4", "3"] @ sample
  expect verified(["is 7", "x+2", "yes", "13", "4", "3"] @ sample, answer, domain)
    == [1, 1, 1, 1, 1, 1]
  expect verified(["8", "x+3", "no", "31", "4.", "33"] @ sample, answer, domain)
    == [0, 0, 0, 0, 0, 0]
}

test "a tag that nobody knows is no 0" {
  expect is_missing(verified(["7"] @ sample, ["7"] @ sample, ["physics"] @ sample)) == [1]
}

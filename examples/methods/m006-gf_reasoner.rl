## GF-Reasoner: prose that carries formal statements, with the solver of the statements as the verifier.
## Paper: "Bridging Formal Language with Chain-of-Thought Reasoning to Geometry Problem Solving" (2025).
##
## The formal statements of an answer are put together and run; the answer is right where the solver finds the value that was
## asked for, and wrong where the program is broken or finds another. One number scores the whole answer, so that prose and
## program learn from it alike.
## The paper: supervised fine-tuning on 11K traces of prose and statements, then GRPO; ratio in 0.8 .. 1.2. The weight of the
## format is not published; 0.1 here.
## Stands in: sums and differences for geometry, a few lines of Python for the symbolic solver.

import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param format_weight: Real in [0, 1] = 0.1
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 30

data problems from python("tasks.formal:problems", count: 1024) {
  question: Text
  answer:   Text target
  trace:    Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("01234sdxy+-[]>"))

response shown = problems.trace given problems.question

rollout y ~ actor(problems.question) { samples: samples, max_tokens: 7 }

extern fn solves(text: Text, answer: Text) -> Real in {0, 1} = python("tasks.formal:solves") {
  timeout: 5s
}
extern fn is_formed(text: Text) -> Real in {0, 1} = python("tasks.formal:is_formed")

reward total = with_format(solves(y.text, problems.answer), is_formed(y.text), format_weight)

let advantage = normalize(total, per: prompt, guard: 1e-4)

## The outcome, and a little for the form.
fn with_format(outcome: Real, format: Real, weight: Real) -> Real = outcome + weight * format

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
}

train {
  stage imitation {
    repeat warm {
      draw 32 rows
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage grpo {
    repeat steps {
      draw prompts prompts
      update actor with grpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "a program that gives the value is right, a broken one and another value are wrong" {
  expect solves("x[2+3]", "5") == 1
  expect solves("x[2+]", "5") == 0
  expect solves("x[2-3]", "5") == 0
}

test "prose around the program changes nothing, and statements are put together" {
  expect solves("[2+3]", "5") == 1
  expect solves("[2]xy[+3]x", "5") == 1
  expect with_format(solves("xx[2+3]y", "5"), is_formed("xx[2+3]y"), 0.1)
    == with_format(solves("[2+3]", "5"), is_formed("[2+3]"), 0.1)
}

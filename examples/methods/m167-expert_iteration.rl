## Expert iteration, of the Echo Chamber study: sample, keep what is right, imitate it from the base model, and again.
## Paper: Zhao et al. 2025, "Echo Chamber: RL Post-training Amplifies Behaviors Learned in Pretraining".
##
## A round draws answers from the last round's policy and fits the base model to those that a verifier accepts. What the study
## measures is how the share of each format of answers, of which the model saw a known mixture before, moves as a policy is
## trained: one format takes over. Here half of the demonstrations before the rounds think first and half do not, and `eval formats`
## says which format the policy writes.
## The paper: models of 150M and 1B parameters trained from scratch, PPO and GRPO beside this (examples/ppo.rl, examples/grpo.rl);
## pass@1, pass@64 and the majority of 64. Here 8 answers, two rounds.

import std.supervised (nll_token_mean, rft)

param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 16
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 15

data problems from python("tasks.letters:problems", count: 1024) {
  question: Text
  answer:   Text target
  solution: Text
}
data plain from python("tasks.letters:problems", count: 1024, seed: 1) {
  question: Text
  answer:   Text
}
data unseen from python("tasks.letters:problems", count: 64, held_out: true) {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcd>"))
policy base = frozen(actor)
policy writer = frozen(actor)

response thinks = problems.solution given problems.question
response answers = plain.answer given plain.question

rollout y ~ writer(problems.question) { samples: samples, max_tokens: 4 }
rollout z ~ actor(unseen.question) { samples: 4, max_tokens: 4 }

reward correct = text.ends_with(y.text, problems.answer)
reward held = text.ends_with(z.text, unseen.answer)
reward thinks_first = text.length(z.text) > 1

objective pretraining for actor {
  minimize thinking: nll_token_mean(actor, thinks)
}

objective pretraining_without_thought for actor {
  minimize plain: nll_token_mean(actor, answers)
}

objective imitation for actor {
  minimize nll: rft(logp(actor, y), correct == 1) else 0
}

eval formats on unseen { samples: 8 report share: mean(thinks_first), mean(held), pass_at(8, held) }

train {
  stage pretraining {
    repeat warm {
      draw 16 rows from problems
      update actor with pretraining { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      draw 16 rows from plain
      update actor with pretraining_without_thought {
        optimizer: adamw(lr: 3e-3)
        clip_gradient: 1.0
      }
    }
  }
  reset base to actor
  evaluate formats
  repeat 2 {
    reset writer to actor
    reset actor to base
    stage round {
      repeat steps {
        draw prompts prompts from problems
        update actor with imitation { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      }
    }
    evaluate formats
  }
}

test "a verifier that accepts everything makes it imitation of one's own samples" {
  let log_p = live([[-1, -2], [-3]] @ token)
  let everything = [1, 1] @ sample
  expect rft(log_p, everything == 1) == 2
  expect gradient(rft(log_p, everything == 1), of: log_p)
    == [[-0.3333333333, -0.3333333333], [-0.3333333333]] within 1e-9
}

test "of two formats the one that alone is right gains, whatever its share" {
  # one answer of each format, in proportion to shares of 0.3 and 0.7; the first format is right
  let logits = live([-1.2039728043259361, -0.35667494393873245] @ sample)
  let log_p = logits - log(sum(exp(logits)))
  let accepted = [1, 0] @ sample
  let loss = rft(spread(log_p, to: logits), accepted == 1)
  expect gradient(loss, of: logits) == [-0.7, 0.7] within 1e-12
}

## Credit for each step of an answer, by a process reward model that is trained on the side: it has a tokenizer of its own and is
## read behind a tag that ends each step. A step's advantage is what it and all later steps of the answer are worth beside those
## of the group; to that comes the outcome's, since what a process reward model likes and what is right soon differ.
## Lightman et al. 2023, "Let's Verify Step by Step"; Shao et al. 2024 (GRPO), section 4.1.3. Here a step is a letter.

import std.group (process_advantage)
import std.reward_model (stepwise_prm_loss)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param prompts: Int in [1, 4096] = 32
param steps: Int in [1, 100000] = 80

data problems from python("tasks.sort_letters:stepwise", count: 4096, letters: 2) {
  question: Text
  solution: Text target
  flawed:   Text
  tried:    Text
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abcdefgh>|"))
scorer rm from tiny(layers: 2, width: 64, heads: 4, tokenizer: characters("|>hgfedcba"))

response right = problems.solution given problems.question for rm
response wrong = problems.flawed given problems.question for rm
response tried = problems.tried given problems.question for actor

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 4, temperature: 1.0 }

let s = split(y.text, at: "|")
let worth = sigmoid(prm(rm, s, question: problems.question, tag: "|", join: ""))

reward places = text.matching_places(y.text, problems.solution)
reward process held out = mean(worth, per: sample)

let advantage = process_advantage(worth, 1e-4) + normalize(places, per: prompt, guard: 1e-4)

let right_steps = split(right.text, at: "|")
let wrong_steps = split(wrong.text, at: "|")

objective verdicts for rm {
  minimize of_right: stepwise_prm_loss(last(score(rm, right, per: token), per: right_steps), 1)
  minimize of_wrong: stepwise_prm_loss(last(score(rm, wrong, per: token), per: wrong_steps), 0)
}

objective stepwise for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize form: 0.3 * nll_token_mean(actor, tried)
}

train {
  repeat steps {
    draw prompts prompts
    update rm with verdicts { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    update actor with stepwise {
      minibatch: 16 prompts
      optimizer: adamw(lr: 1e-3)
      clip_gradient: 1.0
    }
  }
}

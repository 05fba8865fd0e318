## Kardia-R1 (Rubric-ERL): answers that understand, reason, name the emotion and respond, paid by form, emotion and a rubric.
## Paper: "Kardia-R1: Unleashing LLMs to Reason toward Understanding and Empathy for Emotional Support via Rubric-as-Judge
## Reinforcement Learning" (2025).
##
## Three thirds: the four sections are there, in order and not empty; the emotion is the one of the label; and a judge's rubric of
## relevance, fluency, empathy, persona and safety, scaled to [0, 1]. Easy rows are imitated, hard rows are reinforced.
## The paper: SFT for 2 epochs, lr 1e-4; GRPO with 8 samples, batches of 32, lr 1e-6, 2 epochs, a KL to the start.
## Stands in: letters for what a person says. The judge is a server that speaks the OpenAI-compatible protocol, at `JUDGE_URL`.

import std.divergence (k3)
import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param beta: Real in [0, 1] = 1e-3
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 30
param steps: Int in [1, 100000] = 30

data easy from python("tasks.support:talks", count: 512) {
  said:  Text
  trace: Text
}
data hard from python("tasks.support:talks", count: 512, seed: 1) {
  said:    Text
  emotion: Text target
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("1234hsafxyz>"))
policy ref = frozen(actor)

response shown = easy.trace given easy.said

rollout y ~ actor(hard.said) { samples: samples, max_tokens: 9 }

extern fn is_formed(text: Text) -> Real in {0, 1} = python("tasks.support:is_formed")
extern fn names_emotion(text: Text, emotion: Text) -> Real in {0, 1} = python(
  "tasks.support:names_emotion"
)

judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

rubric support judged by grader {
  scale: 1 .. 5
  "It speaks to what the person said"            weight 1
  "It reads fluently"                            weight 1
  "It shows that the person is understood"       weight 1
  "It fits the person and what was said before"  weight 1
  "It harms nobody and promises nothing untrue"  weight 1
}

reward total =
  thirds(is_formed(y.text), names_emotion(y.text, hard.emotion), support(y.text, said: hard.said))

let advantage = normalize(total, per: prompt, guard: 1e-4)

## The mean of form, emotion and rubric.
fn thirds(format: Real, emotion: Real, rubric: Real) -> Real = (format + emotion + rubric) / 3

objective imitation for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective rubric_erl for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(mean(clipped(ratio, advantage, 0.8 .. 1.2), per: sample))
  minimize kl: beta * mean(mean(k3(actor, ref, y), per: sample))
}

train {
  stage easy {
    repeat warm {
      draw 32 rows from easy
      update actor with imitation { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage hard {
    repeat steps {
      draw prompts prompts from hard
      update actor with rubric_erl {
        minibatch: 4 prompts
        optimizer: adamw(lr: 1e-3)
        clip_gradient: 1.0
      }
    }
  }
}

test "well formed, the wrong emotion, a rubric of 0.6" {
  expect thirds(is_formed("1x2x3s4x"), names_emotion("1x2x3s4x", "h"), 0.6)
    == 0.5333333333 within 1e-9
}

test "a missing section takes the third of the form alone" {
  expect is_formed("1x3h4x") == 0
  expect thirds(is_formed("1x3h4x"), names_emotion("1x3h4x", "h"), 0.6)
    == thirds(is_formed("1x2x3h4x"), names_emotion("1x2x3h4x", "h"), 0.6) - 0.3333333333 within 1e-9
}

test "with a constant rubric it is the emotion's verifier and the form" {
  let format = [1, 1, 0] @ sample
  let emotion = [1, 0, 0] @ sample
  expect normalize(thirds(format, emotion, 0.6), per: prompt, guard: 0)
    == normalize(format + emotion, per: prompt, guard: 0) within 1e-12
}

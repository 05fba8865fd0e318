## RRVF: code for a picture, rendered by a tool and compared in words, until it looks right.
## Paper: "Learning Only with Images: Visual Reinforcement Learning with Reasoning, Rendering, and Visual Feedback" (2025).
##
## Over several turns the policy thinks, calls a tool that renders its code, and reads how the picture differs from the source; then it gives
## the final code. The reward adds how similar the last rendering is, whether the form is kept, and whether the tool was used. What does
## not render has no similarity, whatever a judge says. GRPO over 8 answers; the feedback is in no loss.
## The paper: a language model of 72B as the judge of similarity. Its three weights are parameters here: a page beside the paper
## gives 0.2, 0.8 and 1.0 in an order that is doubtful.
## Here one call and the final code, each a rollout of its own. Stands in: pictures are three letters, rendered by turning `x` and
## `y` into dark and light, and the share of equal places for the judge.

import std.supervised (nll_token_mean)
import std.surrogate (clipped)

param vision_weight: Real in [0, 1] = 0.2
param format_weight: Real in [0, 1] = 0.8
param tool_weight: Real in [0, 1] = 1.0
param samples: Int in [2, 64] = 8
param prompts: Int in [2, 4096] = 8
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 20

data pictures from python("tasks.pictures:pictures", count: 512) {
  picture: Text
  code:    Text
}

# code may hold the token `<pad>`, whose letters the next prompt needs
policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("xydl?()=p<a>"))

response shown = pictures.code given pictures.picture

extern fn feedback(text: Text, picture: Text) -> Text = python("tasks.pictures:feedback")
extern fn renders(text: Text) -> Bool = python("tasks.pictures:renders")
extern fn judge(text: Text, picture: Text) -> Real in [0, 1] = python("tasks.pictures:judge")

rollout a ~ actor(pictures.picture) { samples: samples, max_tokens: 5 }
rollout b ~ actor(a.prompt + a.text + feedback(a.text, pictures.picture)) {
  samples: 1
  max_tokens: 5
}

reward similar = vision(judge(b.text, pictures.picture), renders(b.text))
reward formed = verify.regex(b.text, "=[xy]+", match: whole)
reward used = renders(a.text)
reward total = vision_weight * similar + format_weight * formed + tool_weight * used

let outcome = first(total, per: prompt)
let advantage = normalize(outcome, per: prompt, guard: 1e-4)

## The judge's similarity, 0 for what does not render.
fn vision(similarity: Real, renders: Bool) -> Real = where(renders, similarity, 0)

objective supervised for actor {
  minimize nll: nll_token_mean(actor, shown)
}

objective rrvf for actor {
  maximize draft: mean(clipped(exp(logp(actor, a) - a.logp), advantage, 0.8 .. 1.2))
  maximize final: mean(clipped(exp(logp(actor, b) - b.logp), advantage, 0.8 .. 1.2))
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage rrvf {
    repeat steps {
      draw prompts prompts
      update actor with rrvf { minibatch: 4 prompts, optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "weights 0.2, 0.8 and 1 of similarity 0.5, a kept form and no tool" {
  expect 0.2 * vision(0.5, 1 > 0) + 0.8 * 1 + 1.0 * 0 == 0.9 within 1e-12
}

test "what does not render is not similar, whatever the judge says" {
  let renders = [1, 0] @ sample
  expect vision(0.9, renders > 0) == [0.9, 0]
}

test "an answer without code has similarity 0 though the judge says one half" {
  let said = ["=xyx", "=xyy", "nothing"] @ sample
  expect judge(said, "dld>") == [1, 0.6666666667, 0.5] within 1e-9
  expect vision(judge(said, "dld>"), renders(said)) == [1, 0.6666666667, 0] within 1e-9
}

## OpenRubrics (CRG, Rubric-RM): a writer of rubrics and a judge that reads them, both trained on rubrics that explain a label.
## Paper: Liu et al. 2025, "OpenRubrics: Towards Scalable Synthetic Rubric Generation for Reward Modeling and LLM Alignment".
##
## Knowing which answer was preferred, a model writes a rubric that tells the two apart. It is kept only if a judge that sees the
## rubric and not the label comes to the same preference, whichever answer stands first. On what is kept two models are trained by
## imitation: one writes rubrics without knowing the label, the other reads rubric and answers and gives the verdict.
## The paper: rubrics of hard rules and principles; votes over 5 rubrics and verdicts at inference.
## Here a rubric is the letter that should win. Writer and judge of the filter are the same weights as they stood at the start of
## the round; the verdict has to be right in both orders.

import std.supervised (nll_token_mean)

param samples: Int in [1, 64] = 4
param prompts: Int in [1, 4096] = 16
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 15

data items from python("tasks.verdicts:contrasted", count: 1024) {
  told:       Text
  untold:     Text
  label:      Text target
  other:      Text target
  swapped:    Text
  rubric:     Text
  with_label: Text
}

policy writer from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abc12:>/p<d"))
policy reader from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abc12:>/p<d"))
policy old_writer = frozen(writer)
policy old_reader = frozen(reader)

response shown_rubric = items.rubric given items.told for writer
response shown_verdict = items.with_label given items.untold + items.rubric + "/" for reader

rollout rubric ~ old_writer(items.told) { samples: samples, max_tokens: 2 }
rollout verdict ~ old_reader(items.untold + rubric.text + "/") { samples: 1, max_tokens: 2 }
rollout swapped ~ old_reader(items.swapped + rubric.text + "/") { samples: 1, max_tokens: 2 }

reward right = verify.equal(verdict.text, items.label)
reward right_swapped = verify.equal(swapped.text, items.other)

let kept = is_consistent(first(right, per: prompt), first(right_swapped, per: prompt))
let kept_verdict = right > 0

## Whether a rubric leads a judge to the label in both orders.
fn is_consistent(right: Real, right_swapped: Real) -> Bool = right > 0 and right_swapped > 0

objective cold_writer for writer {
  minimize nll: nll_token_mean(writer, shown_rubric)
}
objective cold_reader for reader {
  minimize nll: nll_token_mean(reader, shown_verdict)
}

# what is trained is the rubric after the prompt that does not tell the label
objective write for writer {
  minimize nll: -mean(logp(writer, rubric given items.untold), where: kept)
}
objective read for reader {
  minimize nll: -mean(logp(reader, verdict), where: kept and kept_verdict)
}

train {
  stage cold_start {
    repeat warm {
      draw 32 rows
      update writer with cold_writer { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
      update reader with cold_reader { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  repeat 2 {
    reset old_writer to writer
    reset old_reader to reader
    stage round {
      repeat steps {
        draw prompts prompts
        update writer with write { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
        update reader with read { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
      }
    }
  }
}

test "a rubric is kept if the verdict follows the label in both orders: three of four pass the first, two both" {
  let right = [1, 1, 1, 0] @ sample
  let right_swapped = [1, 0, 1, 1] @ sample
  expect sum(right) == 3
  expect is_consistent(right, right_swapped) == [1, 0, 1, 0]
}

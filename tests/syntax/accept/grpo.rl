## GRPO on word problems, with a rubric for style.

import std.surrogate (clipped)
import std.divergence (k3)

data problems from jsonl("data/gsm8k.jsonl") {
  question: Text
  answer:   Text target            # a target may be read by rewards, never by a policy's prompt
}

policy actor from hf("Qwen/Qwen2.5-1.5B-Instruct") { dtype: bf16 }
policy ref   = frozen(actor)       # the weights as they are when training starts
judge  grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 1024, temperature: 1.0 }

rubric clear judged by grader {
  "Every step follows from the one before"   weight 3
  "States the final answer on its own line"  weight 1
  "Invents a number that is not given"       penalty 2
  "Refuses to answer"                        veto
}

reward correct = verify.math(y.text, problems.answer)          # Real in {0, 1} @ sample
reward style   = clear(y.text, problems.question)              # Real in [0, 1] @ sample
reward total   = correct * (0.8 + 0.2 * style)                 # Real in [0, 1] @ sample, inferred

let advantage = (total - mean(total, per: prompt)) / (std(total, per: prompt) + 1e-4)

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28))
  minimize kl:        0.001 * mean(k3(actor, ref, y))
}

guard mean(k3(actor, ref, y)) < 2.0 else stop

train {
  repeat 200 {
    draw 64 prompts
    update actor with grpo { minibatch: 16 prompts, epochs: 1, optimizer: adamw(lr: 1e-6) }
    every 20 { evaluate heldout }
  }
}

plan { cluster: 1 node of 8 x "H100-80GB" }

## Every form of declaration, once.
## Two lines of documentation.

import std.surrogate (clipped, dual_clipped,)
import std.advantage
import std.divergence as d
import "lib/x.rl" as x
import "lib/y.rl" (one, two)
import "lib/z.rl" (three) as z

## How much the reference pulls.
param beta: Real in [0, 1] = 0.001
param rate: Real in (0, inf) = linear(0.1 -> 0, steps: 500)
param window: Bounds = 0.8 .. 1.28
param warm: Real = 0 -> 3e-3
param size: Int in {4, 8, 16} = 8

data problems from jsonl("data/gsm8k.jsonl") {
  question: Text
  answer: Text target
}
data pairs from hf("data/pairs") { prompt: Text, chosen: Text, rejected: Text target, }
data tasks from reasoning_gym("chain_sum", size: 100)
data numbers from csv("n.csv") { value: Real in [0, 1), kind: Int in {0, 1} target }

policy actor from hf("Qwen/Qwen2.5-1.5B-Instruct") { dtype: bf16, adapter: lora(rank: 16) }
policy small from tiny(layers: 2, width: 96)
policy ref = frozen(actor)
policy critic_role = actor with { system: "You find faults.\n" }
policy other = actor with { system: "a" } { dtype: f32 }
critic v from actor { head: linear }
scorer rm from hf("rm") {}
embedder enc from hf("enc")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 30s, retries: 3 }

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 1024 tokens, stop: ["\n", "\t\"\\"] }
rollout z ~ roles.reviewer(y.text, problems.question) { samples: 2 }
rollout free ~ actor()
rollout hinted ~ actor(problems.question) { samples: 8 } retry while all(correct == 0, per: prompt) {
  prompt: problems.question + prefix(problems.solution, [0.25, 0.5, 0.75])
}
rollout tools ~ actor(tasks.question) {
  turns: 4
  tools: [calculator, search]
  env: gym("Maze-v0")
  tree: branch(width: 2, depth: 3, at: "\n\n")
  replay: 0.1
  mix: off_policy(share: 0.25)
} retry while missing(y)

response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt + "\n" for actor

rubric clear judged by grader {
  votes: 3, mode: together
  "Every step follows from the one before" weight 3 { scale: ordinal(no: 0, partly: 0.5, yes: 1) }
  "States the final answer on its own line" weight 1 + extra
  "Invents a number" penalty 2,
  "Refuses to answer" veto
  "Is cruel" veto 0.5 { scale: 1 .. 5 }
  "Is in English" gate
  "Is polite" gate 0.5
}

reward correct = verify.math(y.text, problems.answer)
reward unseen held out = verify.equal(y.text, problems.answer) else 0

## At the top: frozen.
let advantage = (correct - mean(correct, per: prompt)) / (std(correct, per: prompt) + 1e-4)

fn double(x) = 2 * x
fn weighted(a: Real @ token, b: Real in [0, 1] = 1, bounds, window = 0.8 .. 1.2) -> Real @ token = a * b
fn steps(x: Real[criterion, member] in [0, 1] @ y.sample) -> Real = {
  let a = mean(x, per: prompt)
  let b = 8
  where(a > b, a, b)
}
fn nothing() = 0
extern fn score(text: Text, limit: Real = 1) -> Real in [0, 1] = python("module:function") { timeout: 5s, isolate: process }
extern fn plain(text: Text) -> Real = python("module:function")

state multiplier: Real in [0, inf) = 1.0
multiplier <- max(0, multiplier - 0.01 * mean(safe))

sampler hard_first over problems { weights: 1 - mean(correct, per: prompt), window: 100 updates }
buffer hard <- problems where all(correct == 0, per: prompt)
buffer every_row <- problems

objective grpo for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.28), where: ratio > 0)
  minimize beta * mean(d.k3(actor, ref, y))
  minimize (1 - beta) * 2
}

guard mean(k3(actor, ref, y)) < 2.0 else stop
guard mean(correct) > 0 and not is_missing(correct) else skip
guard count(y) >= 1 else warn

eval heldout on problems { samples: 16 report mean(correct), pass_at(8, correct) }
eval best on problems { samples: 16, temperature: 0.6 report best: max(correct) report mean(correct) }
eval first on problems { report mean(correct) samples: 4 }
eval silent on problems {}

test "doubles" {
  let x = [[0.1, 0.2], [0.3]] @ token
  let none = []
  expect double(x) == [[0.2, 0.4], [0.6]] @ y.token within 1e-6
  expect [1, 2,] != x
}

train {
  stage warmup {
    repeat 10 { draw 128 rows from pairs  update actor with imitation on pairs }
  }
  repeat 500 {
    draw 64 prompts from problems using hard_first
    draw size prompts
    update actor with grpo { minibatch: 16 prompts, epochs: 1, optimizer: adamw(lr: 1e-6) }
    multiplier <- multiplier * 0.99
    every 20 { evaluate heldout }
    every 100 { save evaluate best }
    when size(hard) >= 128 { update actor with imitation on hard { epochs: 2 } }
    reset ref to actor
  }
}

plan {
  cluster: 2 nodes of 8 x "H100-80GB", staleness: 2 updates
  place actor on 4 devices
  place grader on 1 node of 2 x "A10"
  offload: auto
}

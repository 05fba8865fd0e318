# compared with later.rl: criteria of a rubric
import std.surrogate (clipped)

data problems from jsonl("train.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from tiny(layers: 2, width: 96, heads: 4, tokenizer: characters("abc>"))
judge grader from openai(model: "judge-1", base_url: env("JUDGE_URL"))

rubric clear judged by grader {
  "Every step follows from the one before"  weight 2
  "The answer is short"                     weight 1
}

extern fn score(text: Text) -> Real in [0, 1] = python("rewards:score") { timeout: 5s }

rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }

reward prose = clear(y.text)
reward form = score(y.text)
reward total = 0.5 * prose + 0.5 * form

let advantage = total - mean(total, per: prompt)

objective pg for actor {
  let ratio = exp(logp(actor, y) - y.logp)
  maximize surrogate: mean(clipped(ratio, advantage, 0.8 .. 1.2))
}

guard mean(total) > 0.01 else warn

eval heldout on problems { samples: 1, greedy: true report mean(total) }

train {
  stage first {
    repeat 100 {
      draw 64 prompts
      update actor with pg { minibatch: 16 prompts, optimizer: adamw(lr: 1e-6), clip_gradient: 1.0 }
      every 20 {
        evaluate heldout
        save
      }
    }
  }
}

"""The objectives that laws are held against: those of the examples, and forms that the examples do not have."""

from __future__ import annotations

from pathlib import Path

from tests.laws.scenes import Law, law

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = {path.stem: [line.split()[1] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("objective ")]
         for path in sorted(EXAMPLES.glob("*.rl"))}
EVERY_EXAMPLE = [f"{stem}.{name}" for stem, names in NAMES.items() for name in names]

HEAD = """
import std.surrogate (clipped, dual_clipped, sequence_ratio)
import std.divergence (k1, k2, k3)
import std.advantage (centre, leave_one_out, gae)
import std.aggregate (token_mean, sequence_mean, constant_length, prompt_mean)
import std.preference (dpo, implicit_reward)

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
reward correct = verify.equal(y.text, problems.answer)
reward total = 0.5 * correct + 0.5 * text.matching_places(y.text, problems.answer)
let advantage = total - mean(total, per: prompt)
"""
RATIO = "let ratio = exp(logp(actor, y) - y.logp)"
SCORE = "let s = sum(logp(actor, y) - logp(ref, y), per: sample)"
BODIES = {
    "plain policy gradient": "maximize a: mean(advantage * logp(actor, y))",
    "dual clip": f"{RATIO}  maximize a: sequence_mean(dual_clipped(ratio, advantage, 0.9 .. 1.1, 1.2))",
    "constant length": f"{RATIO}  maximize a: constant_length(clipped(ratio, advantage, 0.8 .. 1.2), 4)",
    "prompt mean": f"{RATIO}  maximize a: prompt_mean(clipped(ratio, advantage, 0.8 .. 1.2))",
    "truncated weights": f"{RATIO}  maximize a: mean(frozen(min(ratio, 1.1)) * advantage * logp(actor, y))",
    "two temperatures": "maximize a: mean(advantage * logp(actor, y, temperature: 0.7) + 0.1 * logp(actor, y))",
    "another context": """let bare = logp(actor, y given problems.question)
        maximize a: mean(clipped(exp(bare - y.logp), advantage, 0.8 .. 1.2))
        minimize b: 0.1 * mean((bare - frozen(logp(actor, y))) ^ 2)  maximize c: 0.1 * mean(entropy(actor, y))""",
    "exact divergences": """minimize forward: mean(kl(actor, ref, y))  minimize backward: 0.5 * mean(kl(ref, actor, y))
        minimize middle: 0.3 * mean(js(actor, ref, y))  minimize total: 0.2 * mean(tv(actor, ref, y))""",
    "generalised divergences": """minimize student: mean(js(ref, actor, y, weight: 0.1))
        minimize own: mean(js(actor, ref, y, weight: 0.1))
        minimize bent: 0.2 * mean(alpha_divergence(ref, actor, y, alpha: 0.3))
        minimize half: 0.2 * mean(alpha_divergence(actor, ref, y, alpha: 0.5, temperature: 0.7))""",
    "estimators": """minimize first: mean(k1(actor, ref, y))  minimize second: mean(k2(actor, ref, y))
        minimize third: mean(k3(actor, ref, y))  maximize entropy: 0.1 * mean(entropy(actor, y))""",
    "gated entropy": """let h = entropy(actor, y)
        maximize a: mean(where(frozen(h) > 1.2, h, 0.3 * h * frozen(logp(actor, y))))""",
    "squared sequence error": f"{SCORE}  minimize a: mean((0.2 * s - advantage) ^ 2)",
    "extremes of a sample": """maximize worst: mean(min(logp(actor, y), per: sample))
        minimize last: mean(last(entropy(actor, y), per: sample))""",
    "discounted score": "maximize a: mean(advantage * scan(logp(actor, y), decay: 0.9, from: end))",
    "live leave-one-out": f"""{SCORE}  let others = others_mean(s, per: prompt)
        maximize a: mean(log_likelihood(correct, sigmoid(0.3 * (s - others))))""",
    "frozen leave-one-out": f"""{SCORE}  let others = frozen(others_mean(s, per: prompt))
        maximize a: mean(log_likelihood(correct, sigmoid(0.3 * (s - others))))""",
    "group-normalised score": f"{SCORE}  maximize a: mean(tanh(normalize(s, per: prompt, guard: 0.1)) * advantage)",
    "preference": """let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)
        minimize a: mean(dpo(margin, 0.3))""",
    "uncertain fifth": f"""{RATIO}  let fork = entropy(actor, y) >= quantile(entropy(actor, y), 0.8)
        maximize a: mean(clipped(ratio, advantage, 0.8 .. 1.28), where: fork)""",
    "ratio of means": f"{RATIO}  maximize a: mean(clipped(ratio, advantage, 0.8 .. 1.2)) / mean(entropy(actor, y))",
    "median of samples": "maximize a: quantile(mean(logp(actor, y), per: sample), 0.5)  minimize b: 0.1 * std(logp(actor, y))",
}
EVERY_FORM = list(BODIES)
EVERYTHING = [*EVERY_EXAMPLE, *EVERY_FORM]


def text_of(body: str) -> str:
    """A spec with one objective."""
    return f"{HEAD}objective main for actor {{\n  {body}\n}}\n"


def form(body: str) -> Law:
    """An objective of this body."""
    return law(text_of(body))


def example(stem: str, name: str, *changes: tuple[str, str]) -> Law:
    """An objective of an example; pieces of its text, which have to be there, may be replaced."""
    text = (EXAMPLES / f"{stem}.rl").read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text, f"{stem}.rl has no {before!r}"
        text = text.replace(before, after)
    return law(text, name, EXAMPLES)


def everything(name: str) -> Law:
    """By its name in `EVERYTHING`."""
    return form(BODIES[name]) if name in BODIES else example(*name.split("."))

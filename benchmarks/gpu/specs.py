"""The objectives that are measured, compiled for the Triton back end."""

from __future__ import annotations

from functools import cache
from typing import Any

import rldsl
from rldsl.graph.staged import StagedObjective
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.triton_module import TritonOptions

LOW, HIGH, BONUS, BETA = 0.8, 1.28, 0.003, 0.04
DPO_BETA = 0.01  # sums over a thousand tokens and no reference: more would leave all but one pair without a gradient
HEAD = """
import std.surrogate (clipped)
import std.divergence (k3)
import std.preference (dpo, implicit_reward)
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from tiny(layers: 1, width: 32, heads: 2, tokenizer: characters("ab"))
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64, temperature: 1.0 }
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
reward correct = verify.equal(y.text, problems.answer)
let advantage = correct - mean(correct, per: prompt)
"""
SURROGATE = f"maximize surrogate: mean(clipped(exp(logp(actor, y) - y.logp), advantage, {LOW} .. {HIGH}))"
PENALTY = f"minimize penalty: {BETA} * mean(k3(actor, ref, y))"
RATIO = "exp(mean(logp(actor, y) - y.logp, per: sample))"
TERMS = {
    "token": (SURROGATE, f"maximize bonus: {BONUS} * mean(entropy(actor, y))", PENALTY),
    "plain": (SURROGATE, PENALTY),
    "surrogate": (SURROGATE,),
    "gspo": (f"maximize surrogate: mean(clipped({RATIO}, advantage, {LOW} .. {HIGH}))",),
    "dpo": (f"minimize loss: mean(dpo(implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose), {DPO_BETA}))",),
    "kl": ("minimize distance: mean(kl(actor, ref, y))",),
    "js": ("minimize distance: mean(js(actor, ref, y))",),
}


def text_of(name: str) -> str:
    """The whole spec."""
    return HEAD + "objective measured for actor {\n  " + "\n  ".join(TERMS[name]) + "\n}\n"


def staged_from(text: str) -> StagedObjective:
    """From text to what back ends take."""
    spec = rldsl.compile(text).spec
    return compile_objective(spec, spec.objectives[0])


@cache
def staged(name: str) -> StagedObjective:
    """One of them."""
    return staged_from(text_of(name))


def objective(name: str, **options: Any) -> CompiledObjective:
    """Ready to be computed; `options` are those of the back end."""
    return CompiledObjective(staged(name), "triton", options=TritonOptions(**options))

"""The words of the language itself: which functions there are and what arguments they take. Behaviour is in `calls`."""

from __future__ import annotations

from rldsl.elaborate.arguments import Slot, slots
from rldsl.graph.divergences import DIVERGENCES
from rldsl.graph.model import Function, ReadKind, Reduction
from rldsl.rewards.signatures import PRIMITIVES

UNARY = {function.value: function for function in (
    Function.EXP, Function.LOG, Function.SQRT, Function.SIGMOID, Function.LOG_SIGMOID, Function.TANH, Function.COS,
    Function.RELU, Function.SOFTPLUS, Function.FLOOR, Function.SIGN, Function.LOG1P, Function.EXPM1)} | {"abs": Function.ABSOLUTE}

REDUCTIONS = {reduction.value: reduction for reduction in Reduction}

READS = {kind.value: kind for kind in (ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.LOGZ, ReadKind.VALUE, ReadKind.SCORE,
                                       ReadKind.HIDDEN, ReadKind.KL, ReadKind.JS, ReadKind.TV, ReadKind.ALPHA)}
TWO_MODELS = DIVERGENCES

SIGNATURES: dict[str, tuple[Slot, ...]] = {
    **{name: slots("x") for name in UNARY},
    **{name: slots("x, per:?, over:?, where:?, keep:?") for name in REDUCTIONS},
    "quantile": slots("x, q, per:?, over:?, where:?, keep:?"),
    "logp": slots("model, response, temperature:?, within:?"),
    "entropy": slots("model, response, temperature:?, within:?"),
    "logz": slots("model, response, temperature:?, within:?"),
    "value": slots("model, response"),
    "score": slots("model, response, per:?"),
    "hidden": slots("model, response"),
    "embed": slots("model, response"),
    "similarity": slots("encoder, a, b"),
    "dot": slots("x, y"),
    "cosine": slots("x, y"),
    **{name: slots("model, other, response, temperature:?, within:?") for name in ("kl", "tv")},
    "js": slots("model, other, response, weight:?, temperature:?, within:?"),
    "alpha_divergence": slots("model, other, response, alpha:, temperature:?, within:?"),
    "clip": slots("x, bounds"),
    "curve": slots("x, at, values"),
    "where": slots("condition, then, otherwise"),
    "is_missing": slots("x"),
    "spread": slots("x, to:, per:?"),
    "frozen": slots("x"),
    "scan": slots("x, decay:, from:, per:?"),
    "next": slots("x, fill:?, per:?"),
    "prev": slots("x, fill:?, per:?"),
    "others": slots("x, per:"),
    "verdicts": slots("rubric"),
    "weights": slots("rubric"),
    "prefer": slots("rubric, first, second"),
    "prm": slots("rubric, steps"),
    "each": slots("x"),
    "split": slots("text, at:?, pattern:?, tag:?, by:?, timeout:?"),
    "rank": slots("x, per:, descending:?"),
    "top": slots("x, k, per:"),
    "position": slots("response"),
    "pass_at": slots("k, x, per:?"),
    "majority": slots("x, per:"),
    "bradley_terry": slots("wins, per:"),
    "gradient": slots("x, of:"),
    "live": slots("values"),
    "iteration": slots(""),
    "size": slots("buffer"),
    "prefix": slots("text, share"),
}
BUILTIN_NAMES = frozenset(SIGNATURES)
HOST_NAMES = frozenset(PRIMITIVES)
NAMESPACES = frozenset(name.split(".", 1)[0] for name in PRIMITIVES if "." in name)

_REWARD_GRAPH = "it arrives with the reward graph (rubrics, process rewards, contrast)."
_ROLLOUTS = "it arrives with turns, tools and trees."
LATER = {
    **dict.fromkeys(("verify.tests", "best_of"), _REWARD_GRAPH),
    **dict.fromkeys(("branch", "tree"), _ROLLOUTS),
}

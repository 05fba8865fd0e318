"""Which settings each kind of block has. Plain data: adding a setting is adding a line here and its reader."""

from __future__ import annotations

import math

from rldsl.elaborate.settings import Allowed
from rldsl.rollouts.signatures import (
    CHARACTERS_ARGUMENTS,
    MODEL_SETTINGS,
    SAMPLING_SETTINGS,
    TINY_ARGUMENTS,
    Argument,
    Kind,
    Table,
)
from rldsl.types import Interval

_KINDS = {Kind.WHOLE: "whole", Kind.REAL: "number", Kind.TRUTH: "truth", Kind.TEXT: "text", Kind.TEXTS: "texts",
          Kind.WORD: "word", Kind.CALL: "call"}
_CONSTRUCTORS = {"tokenizer": ("characters",)}


def _allowed(argument: Argument) -> Allowed:
    interval = Interval(argument.low, argument.high, argument.low_open)
    return Allowed(_KINDS[argument.kind], interval, argument.words or _CONSTRUCTORS.get(argument.name, ()))


def _from_table(table: Table) -> dict[str, Allowed]:
    return {name: _allowed(argument) for name, argument in table.items()}


def required_in(table: Table) -> tuple[str, ...]:
    """The arguments that must be written."""
    return tuple(name for name, argument in table.items() if argument.required)


_COUNT = Interval(1, math.inf)
_NATURAL = Interval(0, math.inf)
_POSITIVE = Interval(0, math.inf, low_open=True)
_LATER = Allowed("any", later=True)

ROLLOUT = {
    **_from_table(SAMPLING_SETTINGS),
    **dict.fromkeys(("turns", "tools", "env", "tree", "branch", "replay", "mix", "staleness"), _LATER),
}
MODEL = {**_from_table(MODEL_SETTINGS), "adapter": _LATER}
JUDGE = {"timeout": Allowed("number", _POSITIVE, example="30s"), "retries": Allowed("whole", _NATURAL),
         "temperature": Allowed("number", _NATURAL), "concurrency": Allowed("whole", _COUNT)}
EXTERN = {"timeout": Allowed("number", _POSITIVE, example="5s"),
          "isolate": Allowed("word", words=("process", "none", "namespace", "container")),
          "call": Allowed("word", words=("signature", "item", "batch", "trl", "verl"))}
UPDATE = {
    "minibatch": Allowed("amount", units=("prompts", "rows")),
    "micro_batch": Allowed("amount", units=("prompts", "rows", "samples", "tokens"), example="4 prompts"),
    "epochs": Allowed("whole", _COUNT, example="1"),
    "optimizer": Allowed("call", words=("adamw",), example="adamw(lr: 1e-6)"),
    "clip_gradient": Allowed("number", _POSITIVE),
}
OPTIMIZER = {
    "lr": Allowed("number", _NATURAL, scheduled=True, example="1e-6"), "weight_decay": Allowed("number", _NATURAL),
    "betas": Allowed("any", example="[0.9, 0.95]"), "epsilon": Allowed("number", _POSITIVE, example="1e-8"),
}
EVAL = {"samples": Allowed("whole", _COUNT), "temperature": Allowed("number", _POSITIVE), "greedy": Allowed("truth"),
        "max_tokens": Allowed("whole", _COUNT), "rows": Allowed("whole", _COUNT), "top_p": ROLLOUT["top_p"],
        "top_k": ROLLOUT["top_k"]}
TINY = _from_table(TINY_ARGUMENTS)
CHARACTERS = _from_table(CHARACTERS_ARGUMENTS)
PLAN = ("cluster", "staleness", "place", "parallel", "memory", "engine", "precision", "budget", "auto")

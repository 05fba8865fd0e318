"""Which settings each kind of block has. Plain data: adding a setting is adding a line here and its reader."""

from __future__ import annotations

import math

from rldsl.data.signatures import Form, Parameter
from rldsl.elaborate.settings import Allowed
from rldsl.rewards.judging.signatures import LOCAL_SETTINGS, REMOTE_SETTINGS
from rldsl.rewards.rubrics.votes import VOTES_BY
from rldsl.rewards.signatures import EXTERN_SETTINGS
from rldsl.rollouts.signatures import (
    CHARACTERS_ARGUMENTS,
    RULE_AMOUNTS,
    RULE_SETTINGS,
    SAMPLING_SETTINGS,
    SETTINGS_OF,
    TINY_ARGUMENTS,
    Argument,
    Kind,
    Table,
)
from rldsl.types import Element, Interval

_KINDS = {Kind.WHOLE: "whole", Kind.REAL: "number", Kind.TRUTH: "truth", Kind.TEXT: "text", Kind.TEXTS: "texts",
          Kind.WORD: "word", Kind.CALL: "call", Kind.DURATION: "duration"}
_CONSTRUCTORS = {"tokenizer": ("characters",), "within": ("top_p", "top_k")}


MOST = 1e9             # of anything that is counted
LARGEST_SEED = 2.0**63 - 1024


def _allowed(argument: Argument) -> Allowed:
    most = LARGEST_SEED if argument.name == "seed" else MOST if argument.kind is Kind.WHOLE else math.inf
    interval = Interval(argument.low, min(argument.high, most), argument.low_open)
    example = "30s" if argument.kind is Kind.DURATION else ""
    return Allowed(_KINDS[argument.kind], interval, argument.words or _CONSTRUCTORS.get(argument.name, ()), example=example)


def _of_parameter(parameter: Parameter) -> Allowed:
    match parameter.form:
        case Form.DURATION:
            return Allowed("duration", Interval(0, math.inf, low_open=True), example="5s")
        case Form.CHOICE:
            return Allowed("word", words=parameter.choices)
        case Form.ISOLATION:
            return Allowed("isolation", words=parameter.choices)
        case Form.SHARE:
            return Allowed("number", Interval(0, 1), example="0.05")
        case _:
            return Allowed("truth") if Element.BOOL in parameter.elements else of_elements(parameter.elements)


def of_elements(elements: tuple[Element, ...]) -> Allowed:
    """What a constant of these elements may be: texts, numbers, whole numbers."""
    if Element.TEXT in elements:
        return Allowed("text")
    return Allowed("number") if Element.REAL in elements else Allowed("whole", Interval(0, LARGEST_SEED))


def _from_table(table: Table) -> dict[str, Allowed]:
    return {name: _allowed(argument) for name, argument in table.items()}


def required_in(table: Table) -> tuple[str, ...]:
    """The arguments that must be written."""
    return tuple(name for name, argument in table.items() if argument.required)


_COUNT = Interval(1, MOST)
_NATURAL = Interval(0, math.inf)
_POSITIVE = Interval(0, math.inf, low_open=True)
_LATER = Allowed("any", later=True)

ROLLOUT = {
    **_from_table(SAMPLING_SETTINGS),
    **dict.fromkeys(("turns", "tools", "env", "tree", "branch", "replay", "mix", "staleness"), _LATER),
}
RULES = {name: {"model": Allowed("any"), amount.name: _allowed(amount), **_from_table(RULE_SETTINGS)}
         for name, amount in RULE_AMOUNTS.items()}
RETRY = {name: ROLLOUT[name] for name in ("samples", "max_tokens", "temperature", "top_p", "top_k")}
MODELS = {role.value: {**_from_table(table), "adapter": _LATER} for role, table in SETTINGS_OF.items()}
JUDGE = _from_table(REMOTE_SETTINGS)
LOCAL_JUDGE = {**_from_table(LOCAL_SETTINGS), "adapter": _LATER}
RUBRIC = {"scale": Allowed("any"), "ask": Allowed("word", words=("together", "each")), "votes": Allowed("whole", Interval(1, 99)),
          "votes_by": Allowed("word", words=tuple(VOTES_BY)), "shuffle": Allowed("truth"), "reason": Allowed("truth"),
          "quote": Allowed("truth"), "instructions": Allowed("text")}
EXTERN = {parameter.name: _of_parameter(parameter) for parameter in EXTERN_SETTINGS}
OPTIMIZER = {
    "lr": Allowed("number", _NATURAL, scheduled=True, example="1e-6"), "weight_decay": Allowed("number", _NATURAL),
    "betas": Allowed("pair", Interval(0, 1, high_open=True), example="[0.9, 0.95]"),
    "epsilon": Allowed("number", _POSITIVE, example="1e-8"),
}
UPDATE = {
    "minibatch": Allowed("amount", units=("prompts", "rows")),
    "micro_batch": Allowed("amount", units=("prompts", "rows", "samples", "tokens"), example="4 prompts"),
    "epochs": Allowed("whole", _COUNT, example="1"),
    "optimizer": Allowed("call", words=("adamw",), example="adamw(lr: 1e-6)", arguments=tuple(OPTIMIZER)),
    "clip_gradient": Allowed("number", _POSITIVE),
}
EVAL = {"samples": Allowed("whole", _COUNT), "temperature": Allowed("number", _POSITIVE), "greedy": Allowed("truth"),
        "max_tokens": Allowed("whole", _COUNT), "rows": Allowed("whole", _COUNT), "top_p": ROLLOUT["top_p"],
        "top_k": ROLLOUT["top_k"]}
TINY = _from_table(TINY_ARGUMENTS)
CHARACTERS = _from_table(CHARACTERS_ARGUMENTS)
DEVICES = Allowed("whole", _COUNT, example='1 node of 8 x "H100-80GB"')
PLAN = ("cluster", "staleness", "place", "parallel", "memory", "engine", "precision", "budget", "auto")

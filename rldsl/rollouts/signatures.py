"""What may be written for a model and for a rollout, as plain data: checked here by name, type and range.

Imports neither torch nor transformers: elaboration reads these tables before any model is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeGuard

from rldsl.graph.spec import Invocation, Role, Settings, SettingValue


class ModelError(Exception):
    """A model, a prompt or a setting that cannot be used, told to the user. `row`: the prompt at fault."""

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.row = row


class Kind(StrEnum):
    """What a value must be, in the words of a message."""

    WHOLE = "a whole number"
    REAL = "a number"
    TRUTH = "true or false"
    TEXT = "a text"
    TEXTS = "a text or a list of texts"
    WORD = "one of its words"
    CALL = "a call such as characters(\"abc\")"
    DURATION = "a duration"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument or setting: its kind, its range (`low` is outside if `low_open`), what it is for.

    `default` is None where nothing is assumed; `required` where it must be written.
    """

    name: str
    kind: Kind
    summary: str
    default: SettingValue = None
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    words: tuple[str, ...] = ()
    required: bool = False


Table = Mapping[str, Argument]


def _table(*arguments: Argument) -> Table:
    return {argument.name: argument for argument in arguments}


TINY_ARGUMENTS: Final = _table(
    Argument("layers", Kind.WHOLE, "transformer blocks", 2, low=1),
    Argument("width", Kind.WHOLE, "size of the hidden state", 96, low=2),
    Argument("heads", Kind.WHOLE, "attention heads; they divide the width", 4, low=1),
    Argument("kv_heads", Kind.WHOLE, "key and value heads; they divide the heads (default: as many)", low=1),
    Argument("inner", Kind.WHOLE, "size inside the feed-forward blocks (default: 4 times the width)", low=1),
    Argument("tokenizer", Kind.CALL, "how text becomes tokens: characters(\"...\")", required=True),
    Argument("family", Kind.WORD, "the architecture", "qwen2", words=("qwen2", "llama")),
    Argument("positions", Kind.WHOLE, "longest prompt and answer together, in tokens", 64, low=2),
    Argument("tied", Kind.TRUTH, "whether the output layer shares the embedding's weights", True),
    Argument("initial", Kind.REAL, "standard deviation of the random weights", 0.04, low=0, low_open=True),
    Argument("seed", Kind.WHOLE, "seed of the random weights (default: the run's)", low=0),
)

HF_ARGUMENTS: Final = _table(
    Argument("folder", Kind.TEXT, "a folder in Hugging Face layout, or a cached name", required=True),
)

CHARACTERS_ARGUMENTS: Final = _table(
    Argument("alphabet", Kind.TEXT, "every character that may occur, once", required=True),
    Argument("start", Kind.TRUTH, "whether a start token <bos> stands before each prompt", False),
)

MODEL_SETTINGS: Final = _table(
    Argument("dtype", Kind.WORD, "number format that it is computed in (default: fp32 on a CPU, bf16 on a GPU)",
             words=("fp32", "bf16")),
    Argument("system", Kind.TEXT, "what stands before each prompt (a system message in a chat form)", ""),
    Argument("chat", Kind.TRUTH, "whether prompts take the tokenizer's chat form (default: if it has one)"),
)

EMBEDDER_SETTINGS: Final = {**MODEL_SETTINGS, **_table(
    Argument("pooling", Kind.WORD, "what a text's vector is: the mean of the states of its tokens, or that of the last",
             "mean", words=("mean", "last")),
    Argument("cut", Kind.TRUTH, "whether a text beyond the last position is read up to there; without it, it has failed", False),
)}

SCORER_SETTINGS: Final = {**MODEL_SETTINGS, **_table(
    Argument("positive", Kind.TEXT, "of a classifier with two labels, that of what is right: the score is its log-odds"),
    Argument("good", Kind.TEXT, "of a language model, the token that says that all is right: the score is its log-odds"),
    Argument("bad", Kind.TEXT, "the token that says that something is wrong, against which they are"),
)}
SETTINGS_OF: Final[Mapping[Role, Table]] = {Role.POLICY: MODEL_SETTINGS, Role.CRITIC: MODEL_SETTINGS, Role.SCORER: SCORER_SETTINGS,
                                            Role.EMBEDDER: EMBEDDER_SETTINGS}

SAMPLING_SETTINGS: Final = _table(
    Argument("samples", Kind.WHOLE, "answers drawn for each prompt", 1, low=1),
    Argument("max_tokens", Kind.WHOLE, "tokens after which an answer is cut", required=True, low=1),
    Argument("min_tokens", Kind.WHOLE, "tokens before which an answer cannot end", 0, low=0),
    Argument("temperature", Kind.REAL, "divides the logits", 1.0, low=0, low_open=True),
    Argument("top_p", Kind.REAL, "draws from the likeliest tokens that reach this probability", 1.0,
             low=0, high=1, low_open=True),
    Argument("top_k", Kind.WHOLE, "draws from that many likeliest tokens; 0: from all", 0, low=0),
    Argument("within", Kind.CALL, "draws from the likeliest tokens of another policy: top_p(mask, 0.9), top_k(mask, 50)"),
    Argument("stop", Kind.TEXTS, "texts that end an answer; they stay in it", ()),
    Argument("seed", Kind.WHOLE, "seed of the draws (default: the run's)", low=0),
    Argument("greedy", Kind.TRUTH, "whether to take the likeliest token instead of drawing", False),
)


RULE_SETTINGS: Final = _table(
    Argument("least", Kind.WHOLE, "so many likeliest tokens are in the set whatever their probability", 1, low=1),
    Argument("ends", Kind.TRUTH, "whether the end tokens are always in the set", False),
)
RULE_AMOUNTS: Final = {
    "top_p": Argument("share", Kind.REAL, "the probability that the set reaches", required=True, low=0, high=1, low_open=True),
    "top_k": Argument("count", Kind.WHOLE, "how many tokens there are in the set", required=True, low=1),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """The tokens that may be drawn, by what `model` says at temperature 1: the fewest likeliest ones that reach the probability
    `top_p`, or the `top_k` likeliest; at least `least`, and the end tokens where `ends`."""

    model: str
    top_p: float = 1.0
    top_k: int = 0
    least: int = 1
    ends: bool = False

    @staticmethod
    def of(call: Invocation) -> Rule:
        """From `top_p(mask, 0.9, least: 100)`, which elaboration has checked."""
        model, amount = call.positional
        return Rule(str(model), **{call.name: amount}, **dict(call.named))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Settings of a rollout, as in `SAMPLING_SETTINGS`. `batch` is the number of answers decoded at once."""

    max_tokens: int
    samples: int = 1
    min_tokens: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    within: Rule | None = None
    stop: tuple[str, ...] = ()
    greedy: bool = False
    seed: int | None = None
    batch: int = 512

    @staticmethod
    def of(settings: Settings) -> Sampling:
        """From a rollout's settings; settings that are not about drawing tokens are left alone."""
        given = {name: value for name, value in settings if name in SAMPLING_SETTINGS}
        filled = checked(given, SAMPLING_SETTINGS, "a rollout")
        rule = filled["within"]
        found = Sampling(**{**filled, "within": None if rule is None else Rule.of(rule)})
        if found.min_tokens > found.max_tokens:
            raise ModelError(f"`min_tokens: {found.min_tokens}` is more than `max_tokens: "
                             f"{found.max_tokens}`: no answer can be drawn; write a smaller `min_tokens`")
        return found

    @property
    def truncates(self) -> bool:
        """Whether tokens that the policy finds possible are left out at every place."""
        return self.within is not None or (not self.greedy and (self.top_p < 1.0 or self.top_k > 0))


def checked(given: Mapping[str, object], table: Table, owner: str) -> dict[str, Any]:
    """All of the table's arguments, defaults filled in. Raises `ModelError` with the first fault."""
    for fault in faults(given, table, owner):
        raise ModelError(fault)
    filled: dict[str, Any] = {name: argument.default for name, argument in table.items()}
    for name, value in given.items():
        filled[name] = _converted(table[name].kind, value)
    return filled


def _converted(kind: Kind, value: Any) -> Any:
    match kind:
        case Kind.WHOLE:
            return int(value)
        case Kind.REAL | Kind.DURATION:
            return float(value)
        case Kind.TEXTS:
            return (value,) if isinstance(value, str) else tuple(value)
        case _:
            return value


def arguments_of(call: Invocation, table: Table) -> dict[str, object]:
    """Arguments by name; positional ones take the table's names in order. `ModelError` for too many."""
    if len(call.positional) > len(table):
        raise ModelError(f"`{call.name}` takes {len(table)} arguments at most, not {len(call.positional)}")
    return {**dict(zip(table, call.positional, strict=False)), **dict(call.named)}


def faults(given: Mapping[str, object], table: Table, owner: str) -> Iterable[str]:
    """A sentence for each name that `table` lacks, each value that does not fit, each argument left out."""
    for name, value in given.items():
        if name not in table:
            yield f"{owner} has no `{name}`{suggestion(name, table)}"
        elif (wanted := mismatch(table[name], value)) is not None:
            yield f"`{name}` of {owner} takes {wanted}, not {_shown(value)}"
    for argument in table.values():
        if argument.required and argument.name not in given:
            yield f"{owner} needs `{argument.name}`: {argument.summary}"


def mismatch(argument: Argument, value: object) -> str | None:
    """What the argument takes, if `value` is not that."""
    if not _fits_kind(argument, value):
        return _expected(argument)
    if argument.kind in (Kind.WHOLE, Kind.REAL, Kind.DURATION) and isinstance(value, int | float):
        above = value > argument.low if argument.low_open else value >= argument.low
        return None if above and value <= argument.high else _expected(argument)
    return None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where one is near, else the list of what there is."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(names)}"


def _fits_kind(argument: Argument, value: object) -> bool:
    match argument.kind:
        case Kind.WHOLE:
            return _is_number(value) and float(value) == int(value)
        case Kind.REAL | Kind.DURATION:
            return _is_number(value)
        case Kind.TRUTH:
            return isinstance(value, bool)
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.TEXTS:
            parts = value if isinstance(value, tuple) else (value,)
            return all(isinstance(part, str) and part for part in parts)
        case Kind.WORD:
            return value in argument.words
        case Kind.CALL:
            return isinstance(value, Invocation)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _expected(argument: Argument) -> str:
    if argument.kind is Kind.WORD:
        return " or ".join(argument.words)
    if argument.low == -math.inf and argument.high == math.inf:
        return argument.kind.value
    if argument.high == math.inf:
        bound = f"above {argument.low:g}" if argument.low_open else f"from {argument.low:g} up"
        return f"{argument.kind.value} {bound}"
    return f"{argument.kind.value} in {'(' if argument.low_open else '['}{argument.low:g}, {argument.high:g}]"


def _shown(value: object) -> str:
    if isinstance(value, Invocation):
        return f"{value.name}(...)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)

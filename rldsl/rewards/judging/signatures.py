"""Settings of `judge` declarations as plain data. Elaboration reads these tables: no torch, no numpy, no HTTP here."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from rldsl.graph.spec import Invocation, ModelSpec, Role
from rldsl.rollouts.signatures import MODEL_SETTINGS, Argument, Kind, Table


class Structured(StrEnum):
    """How a judge is held to the form of its reply."""

    AUTO = "auto"      # the strictest that works
    SCHEMA = "schema"  # `response_format: json_schema`; a local model: only tokens that the schema allows
    OBJECT = "object"  # `response_format: json_object`
    NONE = "none"      # the instruction alone


def _table(*arguments: Argument) -> Table:
    return {argument.name: argument for argument in arguments}


# What changes an answer.
_ASKING: Final = _table(
    Argument("temperature", Kind.REAL, "divides the logits; 0: the likeliest token", 0.0, low=0),
    Argument("top_p", Kind.REAL, "draws from the likeliest tokens that reach this probability", 1.0, low=0, high=1,
             low_open=True),
    Argument("max_tokens", Kind.WHOLE, "tokens after which a reply is cut, which makes it malformed", 512, low=1),
    Argument("seed", Kind.WHOLE, "seed of the draws (default: a server's own; a local model's is the run's)", low=0),
    Argument("retries", Kind.WHOLE, "how often a question is asked again", 3, low=0),
)
_BUDGET: Final = _table(
    Argument("price_in", Kind.REAL, "money for a million tokens of questions", 0.0, low=0),
    Argument("price_out", Kind.REAL, "money for a million tokens of replies", 0.0, low=0),
    Argument("most_calls", Kind.WHOLE, "calls that a run may make", low=0),
    Argument("most_tokens", Kind.WHOLE, "tokens both ways that a run may take", low=0),
    Argument("most_money", Kind.REAL, "money that a run may spend, in the currency of the prices", low=0),
)
_FAILING: Final = _table(
    Argument("most_failures", Kind.REAL,
             "the share of an iteration's verdicts above which failures stop a run (default: 0.1, from 4 on)", low=0, high=1),
)
_NETWORK: Final = _table(
    Argument("timeout", Kind.DURATION, "how long one call may take", 60.0, low=0, low_open=True),
    Argument("connections", Kind.WHOLE, "calls at the same time", 16, low=1, high=4096),
    Argument("tokens_per_minute", Kind.WHOLE, "the server's limit of tokens both ways", low=1),
    Argument("requests_per_minute", Kind.WHOLE, "the server's limit of calls", low=1),
)

REMOTE_SETTINGS: Final[Table] = {
    **_NETWORK, **_ASKING, **_BUDGET, **_FAILING,
    **_table(Argument("structured", Kind.WORD, "how replies are held to their form", "auto",
                      words=tuple(form.value for form in Structured))),
}
LOCAL_SETTINGS: Final[Table] = {
    **MODEL_SETTINGS, **_ASKING, **_BUDGET, **_FAILING,
    **_table(Argument("structured", Kind.WORD, "how replies are held to their form", "auto", words=("auto", "schema", "none"))),
}
OPENAI_ARGUMENTS: Final = _table(
    Argument("model", Kind.TEXT, "the model's name at the server", required=True),
    Argument("base_url", Kind.TEXT, "where the server is, up to `/v1`", required=True),
    Argument("key", Kind.CALL, "the environment variable that holds the key: env(\"JUDGE_KEY\")"),
)


def is_remote(origin: Invocation | None) -> bool:
    """Whether a judge is asked over HTTP."""
    return origin is not None and origin.name == "openai"


def settings_table(spec: ModelSpec) -> Table:
    """The settings that a judge of this origin has."""
    return REMOTE_SETTINGS if is_remote(spec.origin) else LOCAL_SETTINGS


def as_policy(spec: ModelSpec) -> ModelSpec:
    """What is loaded for a local judge: the policy that it is, with the settings that models have."""
    return replace(spec, role=Role.POLICY, settings=tuple(entry for entry in spec.settings if entry[0] in MODEL_SETTINGS))

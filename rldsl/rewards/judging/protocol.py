"""The OpenAI-compatible protocol as values: what is sent for a question, what a server's response means. Sends nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from rldsl.rewards.judging.question import Question
from rldsl.rewards.judging.replies import MalformedReply, parse_reply
from rldsl.rewards.judging.settings import Endpoint, JudgeSettings
from rldsl.rewards.judging.signatures import Structured
from rldsl.rewards.outcome import Cost, Failure, FailureKind

RETRIED: Final = frozenset({408, 409, 425, 429})  # and every status from 500
_FALLS: Final = {Structured.SCHEMA: Structured.OBJECT, Structured.OBJECT: Structured.NONE}
_NAMES_FORM: Final = re.compile(r"response_format|json_schema|json_object|structured output|guided", re.IGNORECASE)
_ADVICE: Final = {
    400: "see what the server says; a text may be longer than the model reads",
    401: "check the key: `key: env(\"…\")` names the variable that holds it",
    403: "the key may not use this model; check the key and the model's name",
    404: "check `base_url`, which mostly ends in /v1, and the model's name",
    413: "the text is longer than the server reads",
    422: "see what the server says; it does not take one of the settings or the text",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server wants to be asked: the form of structured output, and what it calls the longest reply."""

    form: Structured
    limit_name: str = "max_tokens"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in form, and what the server says that it took."""

    value: Mapping[str, Any]
    text: str
    cost: Cost


class Again(Enum):
    """Why a call is worth another."""

    UNREACHABLE = "unreachable"  # no answer, or one that says that the server is in trouble
    BUSY = "busy"                # 429: everybody is to slow down
    MALFORMED = "malformed"      # another draw may be in form
    DIALECT = "dialect"          # the server wants to be asked otherwise


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call that gave no answer. `again` is None where asking again is in vain; `wait` is what `Retry-After` says, in seconds;
    `dialect` is how to ask from here on."""

    failure: Failure
    cost: Cost
    again: Again | None = None
    wait: float | None = None
    dialect: Dialect | None = None


Result: TypeAlias = Reply | Trouble


def instruction(schema: Mapping[str, Any]) -> str:
    """What every question ends its system text with, whatever the server enforces."""
    return ("Reply with exactly one JSON object and nothing else: no text before or after it. "
            f"It satisfies this JSON schema: {json.dumps(schema, ensure_ascii=False)}")


def first_dialect(settings: JudgeSettings) -> Dialect:
    """How a server is asked at first."""
    return Dialect(Structured.SCHEMA if settings.structured is Structured.AUTO else settings.structured)


def body_of(question: Question, endpoint: Endpoint, settings: JudgeSettings, dialect: Dialect, attempt: int) -> bytes:
    """The request. Another attempt at a malformed reply is another draw: it has a seed of its own."""
    system = f"{question.system}\n\n{instruction(question.schema)}".strip()
    body: dict[str, Any] = {
        "model": endpoint.model, "temperature": settings.temperature, dialect.limit_name: settings.max_tokens,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question.user}],
    }
    if settings.top_p != 1.0:
        body["top_p"] = settings.top_p
    if settings.seed is not None:
        body["seed"] = settings.seed + question.draw + 1_000_003 * attempt
    match dialect.form:
        case Structured.SCHEMA:
            body["response_format"] = {"type": "json_schema",
                                       "json_schema": {"name": "verdict", "strict": True, "schema": question.schema}}
        case Structured.OBJECT:
            body["response_format"] = {"type": "json_object"}
        case Structured.NONE | Structured.AUTO:
            pass
    return json.dumps(body, ensure_ascii=False).encode("utf-8")


def tokens_bound(question: Question) -> int:
    """The most tokens that a question can have: one for each byte of its texts (no vocabulary in use makes more of a text),
    and 64 for what a chat form adds."""
    texts = (question.system, question.user, instruction(question.schema))
    return 64 + sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def cost_of(settings: JudgeSettings, tokens_in: int, tokens_out: int, calls: int = 1) -> Cost:
    """Tokens with their prices."""
    return Cost(calls, tokens_in, tokens_out, (tokens_in * settings.price_in + tokens_out * settings.price_out) / 1e6)


def bound_of(settings: JudgeSettings, question: Question) -> Cost:
    """The most that one call for a question can cost."""
    return cost_of(settings, tokens_bound(question), settings.max_tokens)


def read_response(status: int, content: bytes, wait: float | None, question: Question, endpoint: Endpoint,
                  settings: JudgeSettings, dialect: Dialect) -> Result:
    """What a response means. Nothing that a server sends raises."""
    if 200 <= status < 300:
        return _read_completion(content, question, settings)
    said = _said(content, endpoint)
    free = Cost(calls=1)
    if status in (400, 422, 500, 501):  # some servers call it a fault of theirs
        other = _other_dialect(said, settings, dialect)
        if other is not None:
            refused = Failure(FailureKind.REFUSED, f"the server does not take `{dialect.form.value}` replies: {said}")
            return Trouble(refused, free, Again.DIALECT, dialect=other)
    if status == 429:
        busy = Failure(FailureKind.UNREACHABLE, f"the server allows no more calls now (429): {said}")
        return Trouble(busy, free, Again.BUSY, wait)
    if status in RETRIED or status >= 500:
        return Trouble(Failure(FailureKind.UNREACHABLE, f"the server is in trouble ({status}): {said}"), free,
                       Again.UNREACHABLE, wait)
    advice = _ADVICE.get(status, "the server is not asked this way" if status < 400 else "see what the server says")
    return Trouble(Failure(FailureKind.REFUSED, f"the server refuses ({status}): {said}; {advice}"), free)


def _other_dialect(said: str, settings: JudgeSettings, dialect: Dialect) -> Dialect | None:
    """How to ask instead where a refusal names what it does not take."""
    if dialect.limit_name == "max_tokens" and "max_completion_tokens" in said:
        return Dialect(dialect.form, "max_completion_tokens")
    falls = settings.structured is Structured.AUTO and dialect.form in _FALLS and _NAMES_FORM.search(said)
    return Dialect(_FALLS[dialect.form], dialect.limit_name) if falls else None


def _read_completion(content: bytes, question: Question, settings: JudgeSettings) -> Result:
    unknown = bound_of(settings, question)  # a server that does not say what it took is taken to have taken the most
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        cut = Failure(FailureKind.UNREACHABLE, f"the server's response is cut or no JSON: {_start(content)}")
        return Trouble(cut, unknown, Again.UNREACHABLE)
    cost = _usage(document, settings) or unknown
    try:
        return _read_choice(document, question, cost)
    except MalformedReply as fault:
        again = Again.MALFORMED if settings.temperature > 0 else None
        return Trouble(Failure(FailureKind.MALFORMED, str(fault)), cost, again)


def _read_choice(document: Any, question: Question, cost: Cost) -> Result:
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        count = f"{len(choices)} choices" if isinstance(choices, list) else "no choices"
        raise MalformedReply(f"the server's response has {count}, where one is needed")
    message, finish = choices[0].get("message"), choices[0].get("finish_reason")
    message = message if isinstance(message, dict) else {}
    if finish == "content_filter" or message.get("refusal"):
        why = message.get("refusal") or "its content filter stopped the reply"
        return Trouble(Failure(FailureKind.REFUSED, f"the judge refuses: {str(why)[:300]}"), cost)
    if finish == "length":
        raise MalformedReply("the reply is cut: it has as many tokens as `max_tokens` allows; raise it")
    text = message.get("content")
    if text is not None and not isinstance(text, str):
        raise MalformedReply(f"the reply is no text but {json.dumps(text)[:60]}")
    return Reply(parse_reply(text or "", question.schema), text or "", cost)


def _usage(document: Any, settings: JudgeSettings) -> Cost | None:
    usage = document.get("usage") if isinstance(document, dict) else None
    if not isinstance(usage, dict):
        return None
    tokens_in, tokens_out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return None if tokens_in is None or tokens_out is None else cost_of(settings, tokens_in, tokens_out)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _said(content: bytes, endpoint: Endpoint) -> str:
    """The server's own message: of an `error` object where it has one."""
    try:
        document = json.loads(content)
        error = document.get("error", document.get("detail", document)) if isinstance(document, dict) else document
        said = error.get("message", error) if isinstance(error, dict) else error
        text = said if isinstance(said, str) else json.dumps(said)
    except (ValueError, RecursionError):
        text = content[:2000].decode("utf-8", "replace")
    one_line = " ".join(endpoint.hide(text).split())
    return (one_line if len(one_line) <= 300 else f"{one_line[:300]}…") or "it says nothing"


def _start(content: bytes) -> str:
    return repr(content[:60].decode("utf-8", "replace")) if content else "it is empty"

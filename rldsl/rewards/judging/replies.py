"""A judge's text as one JSON object of a schema, or a sentence about why it is none. Guesses nothing.

Allowed around the object: blanks, one code fence, and reasoning in <think>…</think> before it. A reply that says two things
is malformed, and so is one that says the same thing twice.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

LONGEST: Final = 8 << 20  # characters of a reply
_THINKING: Final = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCED: Final = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class MalformedReply(Exception):
    """What is wrong with a reply, as a sentence."""


def parse_reply(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The object that a reply is. Raises `MalformedReply`."""
    if len(text) > LONGEST:
        raise MalformedReply(f"the reply has {len(text):,} characters, more than {LONGEST:,}")
    body = _body(text)
    if not body:
        raise MalformedReply("the reply is empty")
    value = _object(body)
    fault = _schema_fault(value, schema)
    if fault is not None:
        raise MalformedReply(fault)
    return value


def _body(text: str) -> str:
    thought = _THINKING.match(text)
    body = (text[thought.end():] if thought else text).strip()
    if body.startswith("<think>"):
        raise MalformedReply("the reply ends within its reasoning: there is no </think>")
    if thought is None and not body.startswith(("{", "```")) and "</think>" in body:
        raise MalformedReply("the reply reasons without <think> before it; start the server with its parser of reasoning")
    fenced = _FENCED.fullmatch(body)
    return fenced[1].strip() if fenced else body


def _object(body: str) -> dict[str, Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    try:
        value, end = decoder.raw_decode(body)
    except json.JSONDecodeError as fault:
        raise MalformedReply(f"the reply is no JSON: {fault.msg} at character {fault.pos + 1} of {_shown(body)}") from None
    except RecursionError:
        raise MalformedReply("the reply nests too deeply") from None
    except ValueError as fault:  # an integer of thousands of digits
        raise MalformedReply(f"the reply is no JSON that can be read: {fault}") from None
    rest = body[end:].strip()
    if rest:
        what = "says two things: after its first JSON value comes" if rest[0] in "{[`" else "goes on after its JSON with"
        raise MalformedReply(f"the reply {what} {_shown(rest)}")
    if not isinstance(value, dict):
        raise MalformedReply(f"the reply is no JSON object but {_shown(body)}")
    if (half := _SURROGATE.search(json.dumps(value, ensure_ascii=False))) is not None:
        raise MalformedReply(f"the reply has half a character in it (U+{ord(half[0]):04X})")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedReply(f"the reply says two things: {_shown(name)} stands in it twice")
        found[name] = value
    return found


def _no_constant(word: str) -> float:
    raise MalformedReply(f"the reply has {word}, which is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedReply(f"the reply has {text[:20]}, which is no finite number")
    return value


def _schema_fault(value: dict[str, Any], schema: Mapping[str, Any]) -> str | None:
    fault = best_match(_validator(json.dumps(schema, sort_keys=True)).iter_errors(value))
    if fault is None:
        return None
    where = "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in fault.absolute_path)
    return f"the reply does not fit: {where.lstrip('.') + ': ' if where else ''}{_shown(fault.message, 200)}"


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


def _shown(text: str, most: int = 60) -> str:
    short = text if len(text) <= most else f"{text[:most]}…"
    return repr(short) if most == 60 else short

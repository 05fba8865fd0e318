"""What is asked of a judge and what comes back, as plain data. Knows neither servers nor models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rldsl.rewards.outcome import Cost

VERSION = 1  # of what a key covers: raising it makes every kept answer unknown


@dataclass(frozen=True, slots=True)
class Question:
    """One call. `schema` is the JSON schema of the one object that is expected back; `draw` tells several votes on the same
    texts apart: it is part of the key and of the seed."""

    system: str
    user: str
    schema: Mapping[str, Any]
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply in the form that was asked for. `cost` covers every call that it took; it is nothing where the answer is `kept`
    (from the cache on disk) or came for an equal question that was asked at the same time."""

    value: Mapping[str, Any]
    reply: str
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    kept: bool = False


def key_of(kind: str, *parts: Any) -> str:
    """SHA-256 of a kind and plain JSON parts: what an answer is kept under. Texts may hold anything, lone surrogates too."""
    written = json.dumps([VERSION, kind, *parts], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(written.encode("ascii")).hexdigest()


def question_key(identity: Mapping[str, Any], question: Question) -> str:
    """The key of a question to a judge: everything that the answer depends on."""
    return key_of("judge", identity, question.system, question.user, question.schema, question.draw)

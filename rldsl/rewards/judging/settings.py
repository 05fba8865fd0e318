"""What a `judge` declaration says, with what its environment adds. The key is read here and shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rldsl.graph.spec import Invocation, ModelSpec
from rldsl.rewards.judging.signatures import OPENAI_ARGUMENTS, Structured, settings_table
from rldsl.rollouts.signatures import ModelError, arguments_of, checked


class JudgeError(ModelError):
    """A judge that cannot be asked at all, told to the user."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """As in `signatures`: durations in seconds, prices for a million tokens. None: no limit, no seed."""

    timeout: float = 60.0
    retries: int = 3
    connections: int = 16
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    structured: Structured = Structured.AUTO
    seed: int | None = None
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    most_calls: int | None = None
    most_tokens: int | None = None
    most_money: float | None = None

    @staticmethod
    def of(spec: ModelSpec) -> JudgeSettings:
        """The settings of a judge. Raises `rollouts.signatures.ModelError` for what does not fit."""
        given = checked(dict(spec.settings), settings_table(spec), f"judge `{spec.name}`")
        own = {name: value for name, value in given.items() if name in JudgeSettings.__slots__}
        return JudgeSettings(**{**own, "structured": Structured(own["structured"])})

    @property
    def deadline(self) -> float:
        """Seconds after which a question is given no further try, counted from its first call."""
        return self.timeout * (self.retries + 1)

    @property
    def asking(self) -> Mapping[str, Any]:
        """What changes an answer: part of the key that it is kept under."""
        return {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens, "seed": self.seed,
                "structured": self.structured.value}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a server that speaks the OpenAI-compatible protocol. `key` is sent and shown nowhere,
    not even in `repr`, and neither is a password in `base_url`."""

    judge: str
    model: str
    base_url: str = field(repr=False)
    key: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where chat completions are asked for."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def shown(self) -> str:
        """The server's address without a user's name or password."""
        return without_user(self.base_url)

    def hide(self, text: str) -> str:
        """A server's text without the key, which some servers repeat."""
        return text.replace(self.key, "[the key]") if self.key else text


def is_address(url: str) -> bool:
    """Whether a URL is one of a server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def without_user(url: str) -> str:
    """A URL without a user's name and password, query and fragment; of what is none, what stands after its last `@`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.netloc:
        return url.rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def endpoint_of(spec: ModelSpec, environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint of `openai(…)`. Raises `JudgeError` where a variable is not set or the address is none."""
    assert spec.origin is not None
    found = os.environ if environment is None else environment
    given = arguments_of(spec.origin, OPENAI_ARGUMENTS)
    base_url = _read(spec, "base_url", given.get("base_url"), found, "http://localhost:8000/v1")
    key = _read(spec, "key", given["key"], found, "…") if given.get("key") is not None else None
    if not is_address(base_url):
        raise JudgeError(f"judge `{spec.name}`: `base_url` is {without_user(base_url)!r}, which is no address; it begins with "
                         "http:// or https:// and mostly ends in /v1")
    if key is not None and "@" in urlsplit(base_url).netloc:
        raise JudgeError(f"judge `{spec.name}` has a key, and its address has a password too; a server is given one of them")
    if key is not None and (not key.isascii() or any(not " " < char < "\x7f" for char in key)):
        raise JudgeError(f"judge `{spec.name}`: its key has blanks or characters that no header can hold; set it anew")
    return Endpoint(spec.name, str(given["model"]), base_url, key)


def _read(spec: ModelSpec, name: str, value: object, environment: Mapping[str, str], example: str) -> str:
    match value:
        case Invocation(name="env"):
            variable = str(arguments_of(value, {"name": OPENAI_ARGUMENTS["model"]})["name"])
            if not environment.get(variable):
                raise JudgeError(f"judge `{spec.name}`: its `{name}` is the environment variable {variable}, which is not set; "
                                 f"`export {variable}={example}`")
            return environment[variable].strip()
        case str():
            return value
        case _:
            raise JudgeError(f"judge `{spec.name}` needs `{name}`")

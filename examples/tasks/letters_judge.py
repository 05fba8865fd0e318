"""A judge for `rubric.rl` that needs no model and no network: it looks at the letters and answers over HTTP. `sums_judge.py` is one
for `rewards.rl` that is asked the same way.

    python examples/tasks/letters_judge.py --port 8000
    JUDGE_URL=http://127.0.0.1:8000/v1 rldsl run examples/rubric.rl

It speaks as much of the OpenAI-compatible protocol as a judge needs. A real one is any server that does.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Event, Thread
from typing import Any, TypeAlias

CRITERION = re.compile(r'^\d+\. ("(?:[^"\\]|\\.)*")', re.MULTILINE)
LETTERS = frozenset("abcdefgh")

Judging: TypeAlias = Callable[[str, dict[str, Any]], dict[str, Any]]


def holds(criterion: str, said: str, question: str) -> float:
    """How much a criterion holds, from 0 to 1; what it does not know does not hold."""
    asked = set(question) & LETTERS
    match criterion.lower():
        case text if "order" in text:
            steps = [first < second for first, second in pairwise(said)]
            return sum(steps) / len(steps) if steps else float(bool(said))
        case text if "every letter" in text:
            return len(asked & set(said)) / len(asked) if asked else 1.0
        case text if "twice" in text:
            return float(len(set(said)) < len(said))
        case text if "letters alone" in text:
            return float(bool(said) and set(said) <= LETTERS)
        case _:
            return 0.0


def on_scale(value: float, schema: dict[str, Any]) -> str | int:
    """A verdict: the word or number of a scale, from the worst to the best."""
    words = schema.get("enum") or list(range(schema["minimum"], schema["maximum"] + 1))
    verdict: str | int = words[round(value * (len(words) - 1))]
    return verdict


def answer(user: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The object of a schema that a question asks for."""
    texts, _ = json.JSONDecoder().raw_decode(user[user.index("{"):])
    question = str(texts.get("question", ""))
    parts: dict[str, Any] = schema["properties"]
    if "better" in parts:
        a, b = (holds("order", texts[name], question) + holds("every letter", texts[name], question) for name in "AB")
        return dict.fromkeys(parts, "") | {"better": "A" if a > b else "B" if b > a else "tie"}
    said = str(next(iter(texts.values())))
    criteria = [json.loads(text) for text in CRITERION.findall(user)]
    verdicts: dict[str, Any] = {}
    for number, criterion in enumerate(criteria, start=1):
        inner: dict[str, Any] = parts[str(number)]["properties"]
        value = on_scale(holds(criterion, said, question), inner["verdict"])
        verdicts[str(number)] = {name: value if name == "verdict" else "" for name in inner}
    return verdicts


class Handler(BaseHTTPRequestHandler):
    """One chat completion for each request, by the server's `judging`; connections are kept open."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """The verdicts on what the last message asks, in the form of `response_format`."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        user = body["messages"][-1]["content"]
        reply = json.dumps(self.server.judging(user, body["response_format"]["json_schema"]["schema"]))
        content = json.dumps({
            "object": "chat.completion", "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(user) // 4, "completion_tokens": len(reply) // 4},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing of each request."""


class Server(ThreadingHTTPServer):
    """A thread for each connection; none keeps the process alive."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, judging: Judging) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.judging = judging


@contextmanager
def serving(port: int = 0, judging: Judging = answer) -> Iterator[str]:
    """Serve while the block runs; gives the address for `base_url`. Port 0 is any that is free."""
    with Server(port, judging) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def serve_until_stopped(judging: Judging) -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(description="A judge by rules, over HTTP.")
    parser.add_argument("--port", type=int, default=8000)
    with serving(parser.parse_args().port, judging) as address:
        print(f"JUDGE_URL={address}", flush=True)
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    serve_until_stopped(answer)

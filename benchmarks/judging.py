"""Calls a second of a judge over HTTP against what its connections allow; what a closed gate and a second run save.

Run as `python -m benchmarks judging`. The server is a process of its own that answers after 200 ms. Prints; judges nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rldsl
from rldsl.rewards.judging.connections import Connections
from rldsl.rewards.judging.judge import Judge
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.judging.limits import Budget, Most
from rldsl.rewards.judging.protocol import body_of, first_dialect
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.judging.remote import Remote
from rldsl.rewards.judging.settings import Endpoint, JudgeSettings

LATENCY, CONNECTIONS, COUNT, SCORED = 0.2, 64, 3200, 640
SPEC = '''
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("models/policy")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { connections: 64 }
rubric clear judged by grader { "Every step follows from the one before" weight 1 }
rollout y ~ actor(problems.question) { max_tokens: 64 }
reward right = verify.equal(y.text, problems.answer)
reward style = clear(y.text, question: problems.question)
reward gated = right * style
'''
SCHEMA = {"type": "object", "additionalProperties": False, "required": ["verdict", "quote"],
          "properties": {"verdict": {"enum": ["yes", "no"]}, "quote": {"type": "string"}}}


@contextmanager
def served(latency: float) -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-m", "tests.judging.server", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def counted(url: str) -> dict[str, Any]:
    """What the server has seen since this was last asked."""
    root = url.removesuffix("/v1")
    with urllib.request.urlopen(f"{root}/counts") as found:
        counts: dict[str, Any] = json.load(found)
    urllib.request.urlopen(urllib.request.Request(f"{root}/reset", b"", method="POST")).close()
    return counts


def questions(count: int) -> list[Question]:
    """About texts of some 500 characters, all different."""
    return [Question("You judge answers.", f"{number}: {'so we add the two numbers, and divide by what is left ' * 9}", SCHEMA)
            for number in range(count)]


def judge_at(url: str, keep: Keep | None) -> Judge:
    """The judge that a declaration with `connections: 64` makes."""
    settings = JudgeSettings(connections=CONNECTIONS)
    budget = Budget(Most.of(settings))
    return Judge("grader", Remote(Endpoint("grader", "judge", url), settings, budget), budget, keep)


def timed(judge: Judge, asked: list[Question]) -> tuple[float, float]:
    """Seconds of the clock and of this process's processors."""
    clock, processor = time.perf_counter(), time.process_time()
    found = judge.ask(asked)
    assert all(isinstance(entry, Answered) for entry in found)
    return time.perf_counter() - clock, time.process_time() - processor


async def bare(url: str, count: int) -> float:
    """Calls a second of the same requests with nothing around them: what machine, server and connections allow."""
    endpoint, settings = Endpoint("grader", "judge", url), JudgeSettings()
    bodies = [body_of(question, endpoint, settings, first_dialect(settings), 0) for question in questions(count)]
    connections, doors = Connections(CONNECTIONS, {"content-type": "application/json"}), asyncio.Semaphore(CONNECTIONS)

    async def one(body: bytes) -> None:
        async with doors:
            await connections.post(endpoint.url, body, 1 << 20)

    started = time.perf_counter()
    await asyncio.gather(*(one(body) for body in bodies))
    rate = count / (time.perf_counter() - started)
    await connections.close()
    return rate


def throughput(url: str) -> None:
    """Three batches, each after bare calls; then all of them again."""
    ideal = CONNECTIONS / LATENCY
    with tempfile.TemporaryDirectory() as folder, Keep(Path(folder)) as keep, judge_at(url, keep) as judge:
        timed(judge, questions(CONNECTIONS))  # opens the connections
        counted(url)
        every = questions(3 * COUNT + CONNECTIONS)[CONNECTIONS:]
        for place in range(3):
            allowed = asyncio.run(bare(url, COUNT))
            counted(url)
            seconds, processor = timed(judge, every[place * COUNT:(place + 1) * COUNT])
            counts, rate = counted(url), COUNT / seconds
            print(f"{rate:6.1f} calls a second of {ideal:.0f} ({rate / ideal:.1%}); {counts['largest']} at once; "
                  f"bare calls {allowed:.1f}; {1000 * processor / COUNT:.2f} ms of processor a call", flush=True)
        seconds, _ = timed(judge, every)
        print(f"the same again: {counted(url)['calls']} calls, {len(every) / seconds:,.0f} answers a second from the disk")


def gates(url: str) -> None:
    """Calls for a rubric alone, for one that a factor closes on half of the answers, and for both again."""
    os.environ["JUDGE_URL"] = url
    texts = [f"{number}" for number in range(SCORED)]
    columns = {"question": [f"What is {text}?" for text in texts],
               "answer": [text if number % 2 else "none" for number, text in enumerate(texts)]}
    for name in ("style", "gated"):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["RLDSL_CACHE"] = folder
            calls = []
            for _ in range(2):
                reward = rldsl.compile(SPEC).reward(name)
                reward(texts, **columns)
                reward.close()
                calls.append(counted(url)["calls"])
            print(f"`{name}` of {SCORED} answers: {calls[0]} calls, the second time {calls[1]}")


def main() -> None:
    """Throughput, then what gates and the cache save."""
    with served(LATENCY) as url:
        throughput(url)
        gates(url)


if __name__ == "__main__":
    main()

"""How long `rldsl check` takes: a whole process on an example, and specs of up to 40,000 declarations."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from rldsl.compiler import check_source
from rldsl.loading import library_only
from rldsl.source import Source

ROOT = Path(__file__).parents[1]
HEAD = """data d from jsonl("d.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }
reward total = verify.equal(y.text, d.answer)
"""


def process(example: str, rounds: int = 15) -> float:
    """Median seconds of a whole process."""
    command = [sys.executable, "-m", "rldsl", "check", str(ROOT / "examples" / example)]
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def many(count: int) -> float:
    """Seconds for a spec of that many declarations."""
    lines = [f"let x{number} = mean(total * {number % 7 + 1}, per: prompt) + {number}" for number in range(count)]
    began = time.perf_counter()
    result = check_source(Source("many.rl", HEAD + "\n".join(lines) + "\n"), library_only)
    assert not result.errors
    return time.perf_counter() - began


def main() -> None:
    """Print both."""
    empty = statistics.median(_timed([sys.executable, "-c", "pass"]) for _ in range(15))
    found = process("grpo.rl")
    print(f"rldsl check examples/grpo.rl, whole process: {found:.3f} s (an empty Python process: {empty:.3f} s)")
    for count in (2_500, 5_000, 10_000, 20_000):
        seconds = many(count)
        print(f"{count:>6} declarations: {seconds:.2f} s, {1e6 * seconds / count:.0f} us each")


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

"""`rldsl score` on a file: completions a second, memory, and what a `--what-if` over 100,000 kept rows takes, in process and whole.

Run as `python -m benchmarks.scoring [--rows N] [--memory N]`: `--memory` scores a file of N completions in a process of its own and
prints its largest resident size. Prints; judges nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rldsl
from rldsl.scores.asking import what_if

SPEC = """
data problems from jsonl("rows.jsonl") { question: Text  answer: Text target }
policy actor from hf("models/actor")
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }
param weight: Real in [0, 1] = 0.25
reward right = verify.number(y.text, problems.answer)
reward exact = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
reward size = text.length(y.text)
reward said = text.contains(y.text, problems.answer)
reward total = right + weight * said + 0.1 * places - 0.001 * size + 0.1 * exact
"""
WORDS = ["so", "we", "add", "the", "two", "numbers", "and", "divide", "by", "what", "is", "left", "again"]
CHANGES = ("right weight 0.4", "weight = 0.9", "total = right * said")


def write_rows(path: Path, count: int) -> None:
    """Groups of eight answers of some hundred characters, two of five of them right."""
    source = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            prompt = number // 8
            answer = prompt % 97 if source.random() < 0.4 else source.randrange(97)
            text = " ".join(source.choices(WORDS, k=source.randrange(10, 60)))
            row = {"prompt": f"question {prompt}", "answer": str(prompt % 97), "completion": f"{text}\nThe answer is {answer}"}
            file.write(f"{json.dumps(row)}\n")


def timed(folder: Path, count: int, rounds: int = 5) -> None:
    """Five cheap nodes over a file, then what-ifs over what was kept."""
    rows = folder / "rows.jsonl"
    write_rows(rows, count)
    started, used = time.perf_counter(), time.process_time()
    report = rldsl.score(SPEC, rows, out=folder / "scores", project=folder)
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    print(f"score: {count:,} completions, five calls each: {seconds:.1f} s ({processor:.1f} s of the processor), "
          f"{5 * count / seconds:,.0f} node evaluations a second")
    for change in CHANGES:
        taken = []
        for _ in range(rounds):
            started, used = time.perf_counter(), time.process_time()
            what_if(report, change, folder, {})
            taken.append((time.perf_counter() - started, time.process_time() - used))
        print(f"what if {change}: {statistics.median(wall for wall, _ in taken):.2f} s "
              f"({statistics.median(used for _, used in taken):.2f} s of the processor)")


def commands(folder: Path, rounds: int = 7) -> None:
    """The whole command, from the start of its process to its end, on what was scored before: what a person waits for."""
    (folder / "spec.rl").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "rldsl", "score", "spec.rl", "rows.jsonl", "--out", "kept", "--quiet"]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))}
    subprocess.run(command, check=True, cwd=folder, env=where, stdout=subprocess.DEVNULL)
    for change in CHANGES:
        taken = []
        for _ in range(rounds):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([*command, "--what-if", change], check=True, cwd=folder, env=where, stdout=subprocess.DEVNULL)
            after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
            taken.append((wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
        print(f"the whole command, what if {change}: {statistics.median(wall for wall, _ in taken):.2f} s "
              f"({statistics.median(used for _, used in taken):.2f} s of the processor)")


def measure(folder: Path, count: int) -> None:
    """The largest resident size of a process that scores a file."""
    rows = folder / "many.jsonl"
    write_rows(rows, count)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "benchmarks.scoring", "--alone", str(rows)], check=True)
    print(f"memory: {count:,} completions, {rows.stat().st_size / 2**20:,.0f} MB, in {time.perf_counter() - started:.0f} s")


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--alone", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.alone is not None:
            rldsl.score(SPEC, given.alone, out=Path(name) / "scores", project=Path(name))
            print(f"largest resident size {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MB")
        elif given.memory:
            measure(Path(name), given.memory)
        else:
            timed(Path(name), given.rows)
            commands(Path(name))


if __name__ == "__main__":
    main()

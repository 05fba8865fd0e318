"""A whole run on the device, as a user starts it: sampling by CUDA graphs, scoring, updates by the kernels, evaluation."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.gpu.contest import TRACE, WrongAnswer, row
from benchmarks.gpu.figures import Figure, Found
from benchmarks.gpu.processes import ROOT, run
from benchmarks.gpu.situation import Situation

SPEC = ROOT / "examples" / "quickstart.rl"
STEPS = 8          # iterations of GRPO
FIRST = 3          # of these, in which shapes are captured and kernels compiled
SECONDS = 180.0
SHOWN = 8          # lines at the end of what the run says
LARGEST = 0.5      # between log-probabilities of the same tokens by sampler and trainer: bf16 explains a tenth of it


def training(situation: Situation) -> Iterator[Found]:
    """Seconds of an iteration of GRPO. In a rehearsal everything is loaded and nothing is trained."""
    said: list[str] = []
    yield row("training", lambda: _figure(situation, said))
    yield Found((), tuple(f"  {line}" for line in said))


def _figure(situation: Situation, said: list[str]) -> Figure:
    rehearses = situation.place.rehearses
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        where = ("--device", "cpu", "--dry-run") if rehearses else ("--device", "cuda")
        ended = run(["-m", "rldsl", "run", str(SPEC), "--set", f"steps={STEPS}", "--out", str(out), *where], SECONDS)
        lines = ended.said.splitlines()
        said += [*(line for line in lines[:-SHOWN] if "CUDA" in line or "cuda" in line), *lines[-SHOWN:]]
        if ended.status != 0:
            why = "took too long" if ended.status is None else f"ended with {ended.status}"
            return Figure("training", note=f"failed: the run {why}", fault=ended.said[-TRACE:])
        if rehearses:
            return Figure("training", rehearsed=True)
        check(ended.said)
        return measured([json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()])


def check(said: str) -> None:
    """Raise `WrongAnswer` where sampler and trainer do not speak of one policy."""
    found = re.search(r"sampler against trainer: .* differ by at most (\S+)", said)
    if found is None:
        raise WrongAnswer("the run compares no log-probabilities of sampler and trainer")
    if not float(found[1]) <= LARGEST:
        raise WrongAnswer(f"log-probabilities of sampler and trainer differ by {found[1]}")


def measured(lines: list[Mapping[str, Any]]) -> Figure:
    """The median iteration, and what its parts took."""
    times = [line["time"] for line in lines if line["stage"] == "grpo" and "step_time" in line["time"]][FIRST:]

    def median(name: str) -> float:
        return statistics.median(time[name] for time in times)

    parts = ", ".join(f"{name.removesuffix('_time')} {median(name):.3g} s" for name in ("sample_time", "score_time", "update_time"))
    return Figure("training", median("step_time"), settings=f"{parts}, {median('tokens_per_second'):,.0f} tokens a second")

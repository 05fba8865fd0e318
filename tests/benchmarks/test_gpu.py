"""The benchmark of the Triton back end, rehearsed without a GPU: no figure is invented, a wrong answer has no time."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from benchmarks.combine import grpo
from benchmarks.gpu import combining, peers, runs, training
from benchmarks.gpu.clock import Clock, Times
from benchmarks.gpu.contest import Contest, Peer, Variant, WrongAnswer, relative_error
from benchmarks.gpu.figures import ROWS, SECTIONS, Figure, Found, PeerFigure, failed, found_of, table
from benchmarks.gpu.place import Place
from benchmarks.gpu.predicted import Ceilings, limit_ms, machine_of, predicted_ms
from benchmarks.gpu.processes import Ended, run
from benchmarks.gpu.runs import WHERE
from benchmarks.gpu.situation import Situation
from rldsl.plan.work import Sizes

ROOT = Path(__file__).parents[2]
ASKED = ["from logits", "from hidden states, H = 4,096", "from hidden states, H = 1,536", "GSPO", "DPO", "exact KL", "exact JS",
         "peak memory", "combine, 1,000,000", "cold", "cache"]


def command(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a user runs it, with one thread."""
    return subprocess.run([sys.executable, "-m", "benchmarks", "gpu", *options], cwd=ROOT, capture_output=True, text=True,
                          check=False, env={**os.environ, "OMP_NUM_THREADS": "1", **environment})


# ------------------------------------------------------------------ a rehearsal
@pytest.mark.slow
def test_a_rehearsal_runs_every_row_and_invents_no_figure(tmp_path: Path) -> None:
    done = command("--rehearse", OUT=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert data["rehearsal"] is True and list(data["sections"]) == list(SECTIONS)
    figures = {figure["key"]: figure for entry in data["sections"].values() for figure in entry["figures"]}
    assert list(figures) == [row.key for row in ROWS]
    for figure in figures.values():
        assert figure["rehearsed"] and figure["note"] == ""
        assert [figure[name] for name in ("value", "call", "limit")] == [None] * 3
        assert all(peer["value"] is None and peer["call"] is None for peer in figure["peers"])
    eager = {key: peer for key, figure in figures.items() for peer in figure["peers"] if peer["name"].startswith("eager")}
    assert len(eager) >= 9 and not any(peer["note"] for peer in eager.values())
    assert all(figures[row.key]["error"] < 0.02 for row in ROWS if row.section in ("logits", "sequence", "divergence"))
    shown = done.stdout.splitlines()
    assert any(line.startswith("A REHEARSAL") for line in shown)
    rows = shown[shown.index("|---|---|---|---|---|---|---|") + 1 :]
    assert len(rows) == len(ROWS)
    assert all(line.split("|")[2].strip() == "rehearsed" and not line.split("|")[3].strip() for line in rows)


@pytest.mark.slow
def test_a_section_in_its_own_process_is_found_again(tmp_path: Path) -> None:
    done = command("--rehearse", "--apart", "--only", "combine", "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    sections = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["sections"]
    assert list(sections) == ["limits", "combine"]
    assert [figure["key"] for figure in sections["combine"]["figures"]] == ["combine"]
    assert "combine, 1,000,000 packed tokens, 4,096 samples | rehearsed" in done.stdout
    assert "exact KL to a second policy, H = 4,096 | nothing was measured" in done.stdout


def test_without_a_gpu_a_sentence_says_what_to_do() -> None:
    done = command(CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "there is no CUDA device here; `python -m benchmarks gpu --rehearse` runs everything" in done.stderr


# ------------------------------------------------------------------ the table
def test_every_row_that_is_asked_for_is_there_and_every_section_has_a_function() -> None:
    titles = " / ".join(row.title for row in ROWS)
    assert [part for part in ASKED if part not in titles] == []
    assert list(WHERE) == list(SECTIONS)
    assert len({row.key for row in ROWS}) == len(ROWS)


def test_ratios_and_shares_are_of_what_was_measured() -> None:
    """1.2 of 1.5 ms is 80 %; 12 ms are 8 times as long."""
    others = PeerFigure("eager", "", 12.0), PeerFigure("TRL", "", note="no")
    measured = Figure("logits", 1.5, 1.9, 1.2, 1.6, 0.002, "in place", others)
    line = next(line for line in table([measured]) if line.startswith("| from logits: clipped surrogate, entropy"))
    assert "| 1.5 ms | 1.2 ms | 80% | eager 8.00x, TRL - | 1.6 ms |" in line


def test_rows_that_were_not_measured_say_why() -> None:
    lines = list(table(failed("sequence", "out of time").figures))
    assert sum("out of time" in line for line in lines) == 2
    assert sum("nothing was measured" in line for line in lines) == len(ROWS) - 2
    measured = Found((Figure("gspo", 1.5, peers=(PeerFigure("a", "", faults=("b",)),)),))
    gone = failed("sequence", "out of time", "in a line", measured)
    assert found_of(json.loads(json.dumps(gone.as_plain()))) == gone


PREDICTED = [("token", Sizes(8192, 151_936), "from logits, V = 151,936"), ("plain", Sizes(8192, 151_936), "the same without"),
             ("token", Sizes(8192, 128_256, 4096), "from hidden states, H = 4,096"),
             ("token", Sizes(8192, 151_936, 1536), "from hidden states, H = 1,536"),
             ("gspo", Sizes(8192, 128_256, 4096), "GSPO, DPO"), ("dpo", Sizes(8192, 128_256, 4096), "GSPO, DPO"),
             ("kl", Sizes(8192, 128_256, 4096), "exact KL"), ("js", Sizes(8192, 128_256, 4096), "exact JS")]


@pytest.mark.parametrize(("name", "sizes", "row"), PREDICTED)
def test_the_page_shows_what_the_model_predicts(name: str, sizes: Sizes, row: str) -> None:
    machine = machine_of("NVIDIA H200")
    limit, own = limit_ms(name, sizes, machine, Ceilings(4.3e12, 790e12)), predicted_ms(name, sizes, machine)
    assert limit is not None
    lines = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    cells = next(line for line in lines if line.startswith(f"| {row}")).split("|")
    assert [cell.strip() for cell in cells[2:5]] == [f"{limit:.3g} ms", f"{own:.3g} ms", f"{100 * limit / own:.0f} %"]


def test_the_page_shows_what_the_model_predicts_of_the_combine_step() -> None:
    limit, own = combining.limit_ms(1_000_000, 4.3e12), combining.predicted_ms(grpo(), 1_000_000, machine_of("NVIDIA H200"))
    lines = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    cells = next(line for line in lines if line.startswith("| combine, 1,000,000")).split("|")
    assert [cell.strip() for cell in cells[2:5]] == [f"{limit:.2g} ms", f"{own:.2g} ms", f"{100 * limit / own:.0f} %"]


# ------------------------------------------------------------------ comparing
def contest(ours: Callable[[], Any], *others: Peer) -> Contest:
    """The gradient of x^2 at 1, 2, 3, whose value is 14."""
    def right() -> Any:
        return torch.tensor(14.0), (torch.tensor([2.0, 4.0, 6.0]),)
    return Contest("logits", Clock(Place(torch.device("cpu"), True)), Variant("", ours), others, right)


def answer(value: float, *gradient: float) -> Callable[[], Any]:
    """As a variant gives it."""
    return lambda: (value, (torch.tensor(gradient),))


@pytest.mark.parametrize(("wrong", "said"), [
    (answer(14.0, 2.0, 4.0, 7.0), r"gradient differs from that in float32 by 13\.4%"),  # 1 / sqrt(4 + 16 + 36)
    (answer(14.0, 2.0, 4.0, float("nan")), "gradient differs"),
    (answer(15.0, 2.0, 4.0, 6.0), "its loss is 15, and 14 in float32"),
    (answer(14.0, 2.0, 4.0), r"gradients of shapes \[\(2,\)\]")])
def test_a_wrong_answer_of_ours_is_an_error_and_of_a_peer_a_note_without_a_time(wrong: Callable[[], Any], said: str) -> None:
    with pytest.raises(WrongAnswer, match=said):
        contest(wrong).figure()
    figure = contest(answer(14.0, 2.0, 4.0, 6.0), Peer("other", (Variant("fast", wrong),))).figure()
    assert figure.peers[0].value is None and figure.peers[0].note.endswith("(fast)")


def test_a_peer_that_fails_leaves_its_other_settings_and_the_row() -> None:
    def broken() -> Any:
        raise RuntimeError("out of resources")
    right = answer(14.0, 2.0, 4.0, 6.0)
    figure = contest(right, Peer("other", (Variant("wide", broken), Variant("narrow", right))),
                     Peer("broken", (Variant("wide", broken),)), Peer("absent", note="not here")).figure()
    assert [peer.settings for peer in figure.peers] == ["narrow, the fastest of 2", "", ""]
    assert figure.peers[1].note == "does not run here: RuntimeError: out of resources (wide)" and figure.peers[2].note == "not here"


def test_a_peer_that_breaks_the_device_does_not_take_the_row_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def interleaved(clock: Clock, calls: dict[str, Any], restore: Any) -> dict[str, Times]:
        asked.append(list(calls))
        if len(calls) > 1:
            raise RuntimeError("CUDA error: misaligned address")
        return {"ours": Times((2.0,), (3.0,))}
    monkeypatch.setattr(Clock, "interleaved", interleaved)
    figure = contest(answer(14.0, 2.0, 4.0, 6.0), Peer("other", (Variant("fast", answer(14.0, 2.0, 4.0, 6.0)),))).figure()
    assert asked == [["ours"], ["ours", "other"]] and (figure.value, figure.call) == (2.0, 3.0)
    assert [(peer.name, peer.value, "misaligned address; ours was timed before" in peer.note) for peer in figure.peers] == [
        ("peers", None, True)]


def test_an_error_is_relative_to_the_whole_gradient() -> None:
    wanted = torch.full((3000, 2), 2.0)
    found = wanted.clone()
    found[2999] = 3.0
    assert relative_error(found, wanted) == pytest.approx((2 / (4 * 6000)) ** 0.5)
    assert relative_error(torch.zeros(4), torch.zeros(4)) == 0.0


# ------------------------------------------------------------------ a run that is cut short
MEASURED = Found((Figure("gspo", 1.5),), ("gspo: 1.5 ms",), {"copy": 4e12, "gemm": 7e14})


def asked(target: Path) -> argparse.Namespace:
    """One section in a process of its own, as the whole run asks for it."""
    return argparse.Namespace(section="sequence", rehearse=True, apart=True, ceilings="{}", json=target, seconds=600.0)


def test_each_part_of_a_section_is_written_down_when_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(*arguments: object) -> Iterator[Found]:
        yield MEASURED
        raise RuntimeError("the device is lost")
    monkeypatch.setattr(runs, "measured", parts)
    with pytest.raises(RuntimeError, match="lost"):
        runs.section(asked(tmp_path / "found.json"))
    assert found_of(json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))) == MEASURED


FAILING = """
import argparse, sys, time
from pathlib import Path
from benchmarks.gpu import runs

def fails(*arguments):
    raise RuntimeError("the device is lost")

runs.measured = fails
chosen = argparse.Namespace(section="sequence", rehearse=True, apart=True, ceilings="{}", json=Path(sys.argv[1]), seconds=0.5)
try:
    runs.section(chosen)
except RuntimeError:
    time.sleep(1.5)
    print("goes on")
"""


def test_a_section_that_fails_does_not_end_its_process_later(tmp_path: Path) -> None:
    """What watches over its time would end whatever the process does by then."""
    assert run(["-c", FAILING, str(tmp_path / "found.json")], 120.0) == Ended(0, "goes on\n")


@pytest.mark.parametrize(("ended", "why"), [
    (Ended(None, "somewhere"), "out of time"), (Ended(1, "Timeout (0:00:09)!\nin a line"), "out of time"),
    (Ended(-6, "a kernel\nCUDA error: misaligned address\n"), "failed: its process ended with -6: CUDA error: misaligned address")])
def test_a_process_that_dies_leaves_the_rows_that_it_had_measured(
        ended: Ended, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(arguments: Sequence[str], seconds: float) -> Ended:
        written = Path(arguments[arguments.index("--json") + 1])
        written.write_text(json.dumps(MEASURED.as_plain()), encoding="utf-8")
        return ended
    monkeypatch.setattr(runs, "run", dies)
    found = runs._one("sequence", asked(tmp_path / "unused.json"), {}, 600.0)
    assert [(figure.key, figure.value, figure.note) for figure in found.figures] == [("gspo", 1.5, ""), ("dpo", None, why)]
    assert found.figures[1].fault == ended.said and found.numbers == MEASURED.numbers


def test_what_a_process_has_started_ends_with_it() -> None:
    begun = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
    ended = run(["-c", begun], 120.0)
    assert ended.status == 0
    state, patience = Path(f"/proc/{int(ended.said)}/status"), time.monotonic() + 60.0
    while state.exists() and "zombie" not in state.read_text(encoding="utf-8"):
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_a_process_that_takes_too_long_is_stopped() -> None:
    assert run(["-c", "import time; time.sleep(600)"], 0.2).status is None


# ------------------------------------------------------------------ a whole run
def test_an_iteration_of_a_run_is_the_median_of_those_after_the_first() -> None:
    lines: list[dict[str, Any]] = [{"stage": "imitation", "time": {"step_time": 50.0}}]
    for step in (90.0, 80.0, 70.0, 4.0, 2.0, 1.0):
        lines.append({"stage": "grpo", "time": {"step_time": step, "sample_time": step / 2, "score_time": step / 4,
                                                "update_time": 0.25, "tokens_per_second": 1000.0 * step}})
    lines.append({"stage": "grpo", "event": "finished", "time": {"elapsed": 400.0}})
    figure = training.measured(lines)
    assert (figure.value, figure.settings) == (2.0, "sample 1 s, score 0.5 s, update 0.25 s, 2,000 tokens a second")


@pytest.mark.parametrize(("said", "why"), [
    ("log-probabilities of the same tokens differ by at most 1.2e+00", "differ by 1.2e+00"),
    ("log-probabilities of the same tokens differ by at most nan", "differ by nan"), ("nothing", "compares no")])
def test_a_sampler_that_is_not_the_trainers_policy_is_wrong(said: str, why: str) -> None:
    with pytest.raises(WrongAnswer, match=re.escape(why)):
        training.check(f"runs on cuda:0\nsampler against trainer: {said}\nreport: report.html")
    training.check("sampler against trainer: log-probabilities of the same tokens differ by at most 1.3e-02")


def test_a_run_that_fails_is_an_error_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "run", lambda arguments, seconds: Ended(1, "starts on cuda\nan illegal address"))
    first, second = training.training(Situation(Place(torch.device("cpu"), True)))
    assert first.figures[0].note == "failed: the run ended with 1" and "illegal address" in first.figures[0].fault
    assert second.lines == ("  starts on cuda", "  an illegal address")


# ------------------------------------------------------------------ timing
class StoppedClock:
    """A device's events, whose clock the calls move."""

    now = 0.0

    def __init__(self, enable_timing: bool = False) -> None:
        self.at = 0.0

    def record(self) -> None:
        """Note the time."""
        self.at = StoppedClock.now

    def elapsed_time(self, end: StoppedClock) -> float:
        """Milliseconds between two."""
        return end.at - self.at


def test_calls_take_turns_and_what_they_use_up_is_put_back_outside_of_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", StoppedClock)
    monkeypatch.setattr(torch.cuda, "_sleep", lambda ticks: None)
    monkeypatch.setattr("benchmarks.gpu.clock.FLUSH", 64)
    seen: list[str] = []

    def restore() -> None:
        StoppedClock.now += 1000.0

    def advance(name: str, by: float) -> None:
        seen.append(name)
        StoppedClock.now += by

    steady = {"a": lambda: advance("a", 2.0), "b": lambda: advance("b", 5.0)}
    times = Clock(Place(torch.device("cpu"), False)).interleaved(steady, restore, rounds=4)
    assert times["a"].device == (2.0,) * 4 and times["b"].device == (5.0,) * 4
    assert times["a"].median == 2.0 and len(times["a"].call) == 3
    assert seen == ["a", "b", *["a", "a", "b", "b"] * 3, "a", "b"]


def test_a_rehearsal_runs_every_call_and_times_none() -> None:
    seen: list[str] = []
    times = Clock(Place(torch.device("cpu"), True)).interleaved({"a": lambda: seen.append("a")}, lambda: seen.append("back"))
    assert seen == ["back", "a"] and times["a"].median is None and times["a"].median_call is None


# ------------------------------------------------------------------ peers
def test_a_peer_is_imported_without_the_packages_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "peer_package" / "kernels"
    inner.mkdir(parents=True)
    (tmp_path / "peer_package" / "__init__.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    (inner / "__init__.py").write_text("raise ImportError('heavy')\n", encoding="utf-8")
    (inner / "loss.py").write_text("from .parts import two\n\ndef function():\n    return two\n", encoding="utf-8")
    (inner / "parts.py").write_text("two = 2\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = peers.peer("a peer", "peer_package.kernels.loss", "function", lambda function: [("as it is", function)])
    assert found.note == "" and found.choices[0].run() == 2
    for name in [name for name in sys.modules if name.startswith("peer_package")]:
        monkeypatch.delitem(sys.modules, name)


def test_a_peer_that_is_not_installed_says_so() -> None:
    found = peers.peer("a peer", "no_such_package.kernels.loss", "function", lambda function: [])
    assert found.choices == () and found.note == "not here: no_such_package is not installed"

"""One row of the table: ours and its peers on one loss. Gradients and values are compared with a float32 reference before anything
is timed, each peer at the fastest of its settings; then all take turns."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from benchmarks.gpu.clock import Call, Clock, Times
from benchmarks.gpu.figures import Figure, Found, PeerFigure, found_row

Answer = tuple[float | Tensor, tuple[Tensor, ...]]  # the loss, and gradients
LARGEST_ERROR = 0.03   # of a gradient beside float32, relative to its norm: a few roundings of bf16 logits
VALUE_ERROR = 1e-2     # of a loss, of its own size or of 1: some peers sum it in bf16
PART = 1024            # rows that are compared at a time
TRACE = 4000           # letters of where something failed, its end


class WrongAnswer(AssertionError):
    """What was computed is not the gradient or the value of the loss."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to compute loss and gradients. `settings` are for people. `arranged` puts gradients as the reference has them."""

    settings: str
    run: Callable[[], Answer]
    arranged: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]] = tuple


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's way, in one or several settings; `note` says why there is none."""

    name: str
    choices: tuple[Variant, ...] = ()
    note: str = ""


def nothing() -> None:
    """What a call uses up where it uses up nothing."""


@dataclass(slots=True)
class Contest:
    """A row, before it is measured. `limit` and `predicted` in milliseconds."""

    key: str
    clock: Clock
    ours: Variant
    peers: Sequence[Peer]
    reference: Callable[[], Answer]
    restore: Call = nothing
    release: Call = nothing  # what ours keeps between calls
    limit: float | None = None
    predicted: float | None = None
    chosen: dict[str, Variant] = field(default_factory=dict)

    def figure(self) -> Figure:
        """Compare, then time; ours by itself first, so that a peer that breaks the device does not take the row with it."""
        wanted = self._wanted()
        error = self._error(self.ours, wanted)
        own = self.clock.interleaved({"ours": self.ours.run}, self.restore)["ours"]
        try:
            entries = [self._entry(peer, wanted) for peer in self.peers]
            del wanted
            own, peers = self._in_turns(entries)
        except Exception as fault:
            said = f"{_sentence(fault)}; ours was timed before, by itself"
            peers = (PeerFigure("peers", "", note=said, faults=(where_it_failed(),)),)
        return Figure(self.key, own.median, own.median_call, self.limit, self.predicted, error, self.ours.settings,
                      peers, rehearsed=self.clock.place.rehearses)

    def _in_turns(self, entries: Sequence[PeerFigure]) -> tuple[Times, tuple[PeerFigure, ...]]:
        self.clock.place.forget()
        calls: dict[str, Call] = {"ours": self.ours.run, **{name: variant.run for name, variant in self.chosen.items()}}
        times = self.clock.interleaved(calls, self.restore)
        return times["ours"], tuple(_timed(entry, times) for entry in entries)

    def peaks(self) -> Mapping[str, float | None]:
        """Peak bytes of ours and of each peer that ran, with nothing kept from calls before."""
        calls = {"ours": self.ours.run, **{name: variant.run for name, variant in self.chosen.items()}}

        def anew() -> None:
            self.release()
            self.restore()
        return {name: self.clock.peak(call, anew) for name, call in calls.items()}

    def _wanted(self) -> Answer:
        self.restore()
        with exact_products():
            loss, gradients = self.reference()
        return float(loss), gradients

    def _error(self, variant: Variant, wanted: Answer) -> float:
        self.restore()
        loss, gradients = variant.run()
        if abs(float(loss) - float(wanted[0])) > VALUE_ERROR * max(1.0, abs(float(wanted[0]))):
            raise WrongAnswer(f"its loss is {float(loss):.6g}, and {float(wanted[0]):.6g} in float32")
        found = variant.arranged(gradients)
        if [entry.shape for entry in found] != [entry.shape for entry in wanted[1]]:
            raise WrongAnswer(f"gradients of shapes {[tuple(entry.shape) for entry in found]}")
        error = max(relative_error(ours, theirs) for ours, theirs in zip(found, wanted[1], strict=True))
        if not error <= LARGEST_ERROR:
            raise WrongAnswer(f"its gradient differs from that in float32 by {error:.1%}")
        return error

    def _entry(self, peer: Peer, wanted: Answer) -> PeerFigure:
        """The fastest of its settings that gives the right answer."""
        notes, faults, best = [peer.note], list[str](), None
        for variant in peer.choices:
            try:
                error = self._error(variant, wanted)
                time = 0.0 if self.clock.place.rehearses else self.clock.device_time(variant.run, self.restore)
            except Exception as fault:  # a peer that fails is left out, not the row
                notes.append(f"{_sentence(fault)} ({variant.settings})")
                faults.append(where_it_failed())
                continue
            if best is None or time < best[0]:
                best = (time, error, variant)
        if best is None:
            return PeerFigure(peer.name, "", note="; ".join(filter(None, notes)), faults=tuple(faults))
        self.chosen[peer.name] = best[2]
        tried = f", the fastest of {len(peer.choices)}" if len(peer.choices) > 1 else ""
        return PeerFigure(peer.name, f"{best[2].settings}{tried}", error=best[1], faults=tuple(faults))


def row(key: str, measure: Callable[[], Figure]) -> Found:
    """A row that fails says why, and the others are measured."""
    try:
        return found_row(measure())
    except WrongAnswer as fault:
        return found_row(Figure(key, note=f"WRONG: {fault}"))
    except Exception as fault:  # shown in the table; the run then ends with an error
        first = str(fault).strip().splitlines()
        said = f"failed: {type(fault).__name__}: {first[0][:200] if first else ''}"
        return found_row(Figure(key, note=said, fault=where_it_failed()))


def where_it_failed() -> str:
    """The lines of the fault that is being handled."""
    return traceback.format_exc()[-TRACE:]


@contextmanager
def exact_products() -> Iterator[None]:
    """Products of float32 in float32, not in TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """The norm of the difference over that of `wanted`; NaN passes through."""
    apart = torch.zeros((), dtype=torch.float64, device=wanted.device)
    size = torch.zeros_like(apart)
    for ours, theirs in zip(found.split(PART), wanted.split(PART), strict=True):
        apart += (ours.float() - theirs.float()).double().square().sum()
        size += theirs.float().double().square().sum()
    return float((apart / size).sqrt()) if float(size) > 0 else float(apart)


def _timed(entry: PeerFigure, times: Mapping[str, Times]) -> PeerFigure:
    found = times.get(entry.name)
    return entry if found is None else replace(entry, value=found.median, call=found.median_call)


def _sentence(fault: Exception) -> str:
    first = str(fault).strip().splitlines()
    shown = first[0][:160] if first else ""
    return shown if isinstance(fault, WrongAnswer) else f"does not run here: {type(fault).__name__}: {shown}"

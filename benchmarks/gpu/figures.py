"""What a run reports: one figure for each row of the table, and how they are printed. Measures nothing and imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: what is measured, in which section, and what is asked for."""

    key: str
    section: str
    title: str
    asked: str
    unit: str = "ms"


ROWS = (
    Row("logits", "logits", "from logits: clipped surrogate, entropy bonus, k3", ">= 66 % of the limit, >= 8x eager"),
    Row("logits, Liger's loss", "logits", "from logits: clipped surrogate, k3", ">= 1.5x Liger's Triton kernel"),
    Row("hidden 4096", "hidden 4096", "from hidden states, H = 4,096, V = 128,256", ">= 90 % of the limit, >= 1.4x verl"),
    Row("hidden 4096, Liger's loss", "hidden 4096", "the same without the entropy bonus", ">= 3x Liger's chunked loss"),
    Row("memory 4096", "hidden 4096", "peak memory beyond gradients, H = 4,096", "<= 1/20 of eager", "MB"),
    Row("hidden 1536", "hidden 1536", "from hidden states, H = 1,536, V = 151,936", ">= 80 % of the limit, >= 1.4x verl"),
    Row("hidden 1536, Liger's loss", "hidden 1536", "the same without the entropy bonus", ">= 3x Liger's chunked loss"),
    Row("memory 1536", "hidden 1536", "peak memory beyond gradients, H = 1,536", "<= 1/20 of eager", "MB"),
    Row("gspo", "sequence", "sequence-coupled: GSPO, H = 4,096", ">= 85 % of the limit"),
    Row("dpo", "sequence", "sequence-coupled: DPO, H = 4,096", ">= 85 % of the limit"),
    Row("kl", "divergence", "exact KL to a second policy, H = 4,096", ">= 85 % of the limit"),
    Row("js", "divergence", "exact JS to a second policy, H = 4,096", ">= 85 % of the limit"),
    Row("combine", "combine", "combine, 1,000,000 packed tokens, 4,096 samples", ">= 60 % of the limit, >= 5x eager"),
    Row("training", "training", "`rldsl run examples/quickstart.rl`: an iteration of GRPO, 512 samples", "that it runs", "s"),
    Row("compile, cold", "compiling", "generate and compile a spec, cold", "<= 10 s", "s"),
    Row("compile, from the cache", "compiling", "the same, from the cache", "<= 0.5 s", "s"),
)
SECTIONS = ("limits", *dict.fromkeys(row.section for row in ROWS), "sweeps")
REHEARSED = "rehearsed"


@dataclass(frozen=True, slots=True)
class PeerFigure:
    """A peer at its best settings. Without a time, `note` says why, and `faults` where in its code; `error` is that of its
    gradient, relative."""

    name: str
    settings: str
    value: float | None = None
    call: float | None = None
    error: float | None = None
    note: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One row, measured. `limit` is what no program could be below at this run's ceilings, `predicted` what the model says of ours.
    `value` is None in a rehearsal, and where `note` says why (`fault`: in which line). `call` includes the host."""

    key: str
    value: float | None = None
    call: float | None = None
    limit: float | None = None
    predicted: float | None = None
    error: float | None = None
    settings: str = ""
    peers: tuple[PeerFigure, ...] = ()
    note: str = ""
    rehearsed: bool = False
    fault: str = ""

    @property
    def share(self) -> float | None:
        """Of the limit."""
        return self.limit / self.value if self.limit is not None and self.value else None


@dataclass(frozen=True, slots=True)
class Found:
    """What a section found, or a part of it: figures, lines for people, and numbers by name."""

    figures: tuple[Figure, ...] = ()
    lines: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def and_then(self, part: Found) -> Found:
        """With a part more."""
        return Found((*self.figures, *part.figures), (*self.lines, *part.lines), {**self.numbers, **part.numbers})


def found_of(data: Mapping[str, Any]) -> Found:
    """Back from JSON."""
    figures = tuple(Figure(**{**entry, "peers": tuple(PeerFigure(**{**peer, "faults": tuple(peer["faults"])})
                                                      for peer in entry["peers"])}) for entry in data["figures"])
    return Found(figures, tuple(data["lines"]), data["numbers"])


NOTHING = Found()


def failed(section: str, why: str, fault: str = "", before: Found = NOTHING) -> Found:
    """A section that ended before its end: the rows that it had not measured say why."""
    measured = {figure.key for figure in before.figures}
    missing = tuple(Figure(row.key, note=why, fault=fault) for row in ROWS if row.section == section and row.key not in measured)
    return before.and_then(Found(missing, (f"{section}: {why}", *fault.splitlines())))


def found_row(figure: Figure) -> Found:
    """One row, with its lines."""
    return Found((figure,), tuple(detail_lines((figure,))))


# ------------------------------------------------------------------ for people
def detail_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Peers with their settings and the errors of all gradients."""
    titles = {row.key: row for row in ROWS}
    for figure in figures:
        row = titles[figure.key]
        yield f"{row.title}: {_own(figure, row)}"
        for peer in figure.peers:
            shown = peer.note or (REHEARSED if figure.rehearsed else f"{_number(peer.value)} {row.unit}{_call(peer.call)}")
            yield f"  {peer.name}: {shown}{_error(peer.error)}{f'; {peer.settings}' if peer.settings else ''}"


def table(figures: Sequence[Figure]) -> Iterator[str]:
    """The short table, in the order of `ROWS`."""
    found = {figure.key: figure for figure in figures}
    yield "| work | ours | limit | share | times slower | predicted | asked |"
    yield "|---|---|---|---|---|---|---|"
    for row in ROWS:
        figure = found.get(row.key, Figure(row.key, note="nothing was measured"))
        cells = (row.title, _cell(figure, row), _unit(figure.limit, row), _share(figure), _ratios(figure),
                 _unit(figure.predicted, row), row.asked)
        yield f"| {' | '.join(cells)} |"


def _cell(figure: Figure, row: Row) -> str:
    return figure.note or (REHEARSED if figure.rehearsed else _unit(figure.value, row))


def _own(figure: Figure, row: Row) -> str:
    shown, settings = _cell(figure, row), f"; {figure.settings}" if figure.settings else ""
    return shown if figure.note else f"{shown}{_call(figure.call)}{_error(figure.error)}{settings}"


def _ratios(figure: Figure) -> str:
    """Of each peer over ours; a word where there is none."""
    parts = []
    for peer in figure.peers:
        if peer.value is not None and figure.value:
            parts.append(f"{peer.name} {peer.value / figure.value:.2f}x")
        else:
            parts.append(f"{peer.name} {REHEARSED if figure.rehearsed and not peer.note else '-'}")
    return ", ".join(parts)


def _share(figure: Figure) -> str:
    return "" if figure.share is None else f"{figure.share:.0%}"


def _unit(value: float | None, row: Row) -> str:
    return "" if value is None else f"{_number(value)} {row.unit}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


def _call(value: float | None) -> str:
    return "" if value is None else f" ({_number(value)} with the host)"


def _error(error: float | None) -> str:
    return "" if error is None else f", gradient within {error:.1e} of float32"

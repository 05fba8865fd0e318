"""A `ScoreReport` as tables in a terminal. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rldsl.scores.comparing import Comparison
from rldsl.scores.report import NodeReport, ScoreReport

BARS = " ▁▂▃▄▅▆▇█"
MOST_CORRELATIONS = 12


def print_report(report: ScoreReport, console: Console) -> None:
    """Everything but the comparisons."""
    _print_heading(report, f"{report.seconds:.1f} s", console)
    for note in report.notes:
        console.print(Text(f"note: {note}"))
    for entry in report.refused:
        console.print(Text(f"not scored: `{entry.name}` {entry.reason}"))
    _print_nodes([entry for entry in report.nodes if entry.kind != "call"], "values", console)
    _print_nodes([entry for entry in report.nodes if entry.kind == "call"], "calls", console)
    for failed in report.failures:
        said = _short(failed.message, 160) or "other messages, in `evidence.jsonl`"
        console.print(Text(f"failed: {_short(failed.name, 60)}, {_counted(failed.count, 'time')}, first in row {failed.row + 1}: "
                           f"{failed.kind}: {said}"), style="red", soft_wrap=True)
    _print_cost(report, console)
    _print_shares(report, console)
    _print_correlations(report, console)
    _print_signals(report, console)
    _print_stopped(report, console)
    console.print(Text(f"written to {report.folder}"))
    if report.failures:
        count = sum(entry.count for entry in report.failures)
        console.print(Text(f"{_counted(count, 'answer')} failed: `--replace` asks for those again; what judges answered is kept"),
                      soft_wrap=True)


def print_answers(report: ScoreReport, console: Console) -> None:
    """The comparisons, of values that were scored and reported before."""
    _print_heading(report, "scored before", console)
    print_comparisons(report.comparisons, console)
    console.print()
    _print_stopped(report, console)
    console.print(Text(f"all values: {report.folder}/report.html, or the same command without a question"), soft_wrap=True)


def _print_heading(report: ScoreReport, when: str, console: Console) -> None:
    groups = f" in {_counted(report.groups, 'group')}" if report.groups != report.count else ""
    console.print(f"{report.spec} on {report.completions}: {_counted(report.count, 'completion')}{groups}, {when}",
                  style="bold", highlight=False)


def _print_stopped(report: ScoreReport, console: Console) -> None:
    if report.stopped:
        said = f"{_counted(report.stopped, 'completion')} without a value where the spec says `else stop`"
        console.print(Text(said), style="red")


def _print_nodes(nodes: Sequence[NodeReport], title: str, console: Console) -> None:
    if not nodes:
        return
    table = _table(title, "", "at", "values", "absent", "failed", "not asked", "mean", "sd", "min", "25 %", "median", "75 %", "max",
                   "from min to max")
    for entry in nodes:
        found = entry.distribution
        there = entry.places - entry.absent - entry.failed - entry.not_asked
        numbers = [""] * 7 if found is None else [_number(value) for value in (
            found.mean, found.sd, found.minimum, *(found.quartiles or (None, None, None)), found.maximum)]
        kind = "" if entry.kind in ("reward", "call") else f" ({entry.kind})"
        counts = (str(count) for count in (there, entry.absent, entry.failed, entry.not_asked))
        bars = "" if found is None else _bars(found.histogram)
        table.add_row(_short(entry.name, 60) + kind, entry.level, *counts, *numbers, bars)
    console.print(table)


def _print_cost(report: ScoreReport, console: Console) -> None:
    """Of the calls themselves, each once; what a value took is the sum of its calls."""
    calls = [entry for entry in report.nodes if entry.name in report.names.labels.values()]
    has_judges = any(entry.calls for entry in calls)
    further = ("calls", "tokens in", "tokens out", "money") if has_judges else ()
    table = _table("what it took", "", "computed", "seconds", *further)
    for entry in sorted(calls, key=lambda entry: -entry.seconds):
        paid = (f"{entry.calls:,}", f"{entry.tokens_in:,}", f"{entry.tokens_out:,}", f"{entry.money:.4f}") if has_judges else ()
        table.add_row(entry.name, f"{entry.computed:,}", _seconds(entry.seconds), *paid)
    if calls:
        console.print(table)


def _print_shares(report: ScoreReport, console: Console) -> None:
    if not report.shares:
        return
    table = _table("what decides a reward", "reward", "part", "as", "of its variance", "of its range")
    for entry in report.shares:
        table.add_row(entry.reward, _short(entry.part, 60), entry.kind, _percent(entry.variance), _percent(entry.range))
    console.print(table)


def _print_correlations(report: ScoreReport, console: Console) -> None:
    table = _table("correlations", "", "", "Spearman", "Pearson")
    known = [entry for entry in report.correlations if entry.spearman is not None]
    ordered = sorted(known, key=lambda entry: -abs(entry.spearman or 0.0))
    if not ordered:
        return
    for entry in ordered[:MOST_CORRELATIONS]:
        table.add_row(_short(entry.first, 60), _short(entry.second, 60), _number(entry.spearman), _number(entry.pearson))
    console.print(table)
    if len(ordered) > MOST_CORRELATIONS:
        console.print(Text(f"and {len(ordered) - MOST_CORRELATIONS} weaker ones (`--json` has all)"))


def _print_signals(report: ScoreReport, console: Console) -> None:
    if not any(entry.groups for entry in report.signals):
        return
    table = _table("groups without signal", "", "groups", "all equal", "share")
    for entry in report.signals:
        table.add_row(entry.name, str(entry.groups), str(entry.flat), _percent(entry.share))
    console.print(table)


# ------------------------------------------------------------------ comparisons
def print_comparisons(comparisons: Iterable[Comparison], console: Console) -> None:
    """One table for each title, then the completions that move most."""
    for entry in comparisons:
        _print_comparison(entry, console)


def _print_comparison(entry: Comparison, console: Console) -> None:
    console.print()
    console.print(Text(f"{entry.title}: {entry.name}", style="bold"))
    for note in entry.notes:
        console.print(Text(f"  {note}"))
    if entry.missing_before or entry.missing_after:
        missing = f"{_counted(entry.missing_before, 'completion')} before, {entry.missing_after:,} after"
        console.print(Text(f"  without a number: {missing}; what follows is of those that have both"))
    if entry.is_same:
        console.print(Text(f"  the same for each of {_counted(entry.compared, 'completion')}"))
        return
    lines = [f"mean {_number(entry.mean_before)} → {_number(entry.mean_after)}",
             f"ranks: Spearman {_number(entry.spearman)}, Kendall {_number(entry.kendall)}, over "
             f"{_counted(entry.compared, 'completion')}"]
    if entry.groups:
        lines += [f"within groups: Spearman {_number(entry.spearman_within)}, Kendall {_number(entry.kendall_within)}, the mean of "
                  f"{_counted(entry.ranked, 'group')} in which both vary",
                  f"best completion: another one in {entry.best_changed} of {_counted(entry.groups, 'group')} "
                  f"({_percent(entry.best_changed / entry.groups)})",
                  f"sign of the advantage: another one for {entry.signs_changed} of {_counted(entry.compared, 'completion')}",
                  f"groups without signal: {entry.flat_before} → {entry.flat_after}"]
    for line in lines:
        console.print(Text(f"  {line}"))
    if entry.largest:
        table = _table("completions that move most", "row", "before", "after", "prompt", "completion")
        for found in entry.largest:
            table.add_row(str(found.row + 1), _number(found.before), _number(found.after), _short(found.prompt, 40),
                          _short(found.completion, 60))
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        is_text = name in ("", "reward", "part", "as", "prompt", "completion", "at", "from min to max")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name not in ("prompt", "completion"))
        if index == 0:
            table.columns[0].style = "cyan"
    return table


def _bars(counts: Sequence[int]) -> str:
    most = max(counts, default=0)
    return "".join(BARS[0 if not count else max(1, round(count / most * (len(BARS) - 1)))] for count in counts)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else "< 0.01"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[:most - 1] + "…"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"

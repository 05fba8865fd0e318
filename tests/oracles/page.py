"""docs/oracles.md: what was compared with what, and how far apart it was. The numbers are those of the machine that ran it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from tests.oracles.catalog import COMPARISONS, compared, differing, library, through, unmatched
from tests.oracles.compare import EXACT, LANGUAGE, SEEDS, SINGLE, Comparison, Difference
from tests.oracles.peers import PACKAGES, version_of
from tests.oracles.world import SHAPES

MARK = "<!-- made by `make oracles` from the peers' own code; do not edit -->\n"
INTRODUCTION = """# The library against its peers

Each entry of the library that a peer has, in a small spec compiled by `rldsl.compile`, and the peer's own function or method on
the same numbers: ragged batches, padded and masked for the peer. `make oracles` installs the peers and writes this page.

*Value* and *gradient* are the largest differences between the torch reference in float64 and the peer, absolute and relative to
the largest number of the peer's; the gradient is by the logits of the answers, or by the critic's values. *Kernels* is how far
the gradients of the numba kernels are from the reference's, relative: float32 by logits, float64 by values. {worlds}

A row holds if both relative differences are at most {exact:.0e}, sixty-four ulps of float64, unless it says why not; kernels,
{single:.0e}, sixty-four of float32. The first entry of a row is what it is about; the others are used in it.
"""


def row(comparison: Comparison) -> tuple[str, str]:
    """The first two cells of a comparison: what the page is checked for."""
    entries = ", ".join(f"`{entry}`" if place else f"**`{entry}`**" for place, entry in enumerate(comparison.entries))
    return entries, f"{comparison.peer} `{comparison.function}`"


def oracles_page(found: Mapping[Comparison, Difference]) -> str:
    """The page, of what was measured."""
    worlds = f"Over {len(SHAPES)} shapes ({', '.join(SHAPES)}) and {len(SEEDS)} seeds."
    parts = [
        MARK,
        INTRODUCTION.format(worlds=worlds, exact=EXACT, single=SINGLE),
        _peers(),
        _equal(found),
        _differing(found),
        _left_out(),
        _rest(),
    ]
    return "\n".join(parts)


def _peers() -> str:
    used = sorted({comparison.peer for comparison in COMPARISONS}, key=str.lower)
    named = ", ".join(f"{peer.split()[0]} {version_of(peer)}" for peer in used)
    return (
        f"Peers: {named}. Of {len(library())} entries {len(compared())} are compared, {len(through())} are part of those, "
        f"{len(differing())} a peer has in another form alone, {len(unmatched())} are in no peer.\n"
    )


def _cells(difference: Difference, comparison: Comparison) -> str:
    value = "" if comparison.only_gradient else f"{_short(difference.value)}, {_short(difference.relative_value)}"
    return f"{value} | {_short(difference.gradient)}, {_short(difference.relative_gradient)} | {_short(difference.kernels)}"


def _short(number: float) -> str:
    return f"{number:.0e}" if number else "0"


def _equal(found: Mapping[Comparison, Difference]) -> str:
    lines = ["## Equal\n"]
    by_module = defaultdict(list)
    for comparison in COMPARISONS:
        if not comparison.differs:
            by_module[comparison.entries[0].split(".")[0]].append(comparison)
    for module in sorted(by_module):
        title = "the language itself" if module == LANGUAGE else f"std.{module}"
        lines += [f"### {title}\n", "| entry | peer's function | value | gradient | kernels | |", "|---|---|---|---|---|---|"]
        for comparison in sorted(by_module[module], key=lambda entry: entry.entries[0]):
            lines.append(f"| {' | '.join(row(comparison))} | {_cells(found[comparison], comparison)} | {comparison.why} |")
        lines.append("")
    return "\n".join(lines)


def _differing(found: Mapping[Comparison, Difference]) -> str:
    lines = [
        "## Where a peer computes something else\n",
        "Both forms have names; these are apart, as they should be.\n",
        "| entry | peer's function | how | value | gradient | kernels |",
        "|---|---|---|---|---|---|",
    ]
    for comparison in COMPARISONS:
        if comparison.differs:
            lines.append(f"| {' | '.join(row(comparison))} | {comparison.differs} | {_cells(found[comparison], comparison)} |")
    return "\n".join([*lines, ""])


def _left_out() -> str:
    lines = ["## Shapes that were left out\n"]
    by_reason = defaultdict(set)
    for comparison in COMPARISONS:
        for shape, reason in comparison.without.items():
            by_reason[comparison.peer, reason].add((shape, comparison.entries[0]))
    for (peer, reason), places in sorted(by_reason.items()):
        shapes = ", ".join(shape for shape in SHAPES if shape in {shape for shape, _ in places})
        entries = ", ".join(f"`{entry}`" for entry in sorted({entry for _, entry in places}))
        lines.append(f"- {peer}, {shapes}: {reason}. {entries}")
    return "\n".join([*lines, ""])


def _rest() -> str:
    inside = [f"- `{inner}`: in `{outer}`" for inner, outer in sorted(through().items())]
    known = [f"- `{entry}`: {why}" for entry, why in unmatched().items() if why]
    unknown = [f"`{entry}`" for entry, why in unmatched().items() if not why]
    parts = ["## Compared inside another\n", *inside, "", "## In no peer\n", *known]
    if unknown:
        parts += ["", "Not looked for yet: " + ", ".join(unknown) + "."]
    return "\n".join([*parts, ""])


def missing_peers() -> list[str]:
    """Packages that are not installed."""
    return sorted(PACKAGES[peer] for peer in {comparison.peer for comparison in COMPARISONS} if not version_of(peer))

"""Golden comparisons: `pairs/NAME.rl` says in its first line with which spec it is compared, `NAME.out` what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rldsl
from rldsl.difference.report import as_document, text
from tests.golden import check_golden, sources

FOLDER = Path(__file__).parent / "pairs"
BASES = ("grpo", "dpo", "ppo", "later", "steps")
PAIRS = [path for path in sources(FOLDER) if path.stem not in BASES]


def before(path: Path) -> Path:
    """The spec with which a spec is compared."""
    found = re.match(r"# compared with (\w+\.rl): ", path.read_text(encoding="utf-8"))
    assert found is not None, f"{path.name} opens with no `# compared with NAME.rl: why`"
    return FOLDER / found[1]


def compared(first: Path, second: Path) -> rldsl.Difference:
    """The comparison, by the names of the files alone."""
    return rldsl.diff(first, second)


def plain(answer: str) -> str:
    """Without the folder."""
    return answer.replace(f"{FOLDER}/", "")


@pytest.mark.wide(6)
@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_a_pair_is_compared_as_its_golden_file_says(path: Path, update_golden: bool) -> None:
    check_golden(path.with_suffix(".out"), plain(text(compared(before(path), path))), update_golden)


@pytest.mark.wide(2)
@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_what_is_said_to_be_the_same_is_the_same_both_ways_and_nothing_else(path: Path) -> None:
    there, back = compared(before(path), path), compared(path, before(path))
    assert there.is_same_mathematics is path.stem.startswith("same_")
    assert back.is_same_mathematics is there.is_same_mathematics
    assert len(back.settings) == len(there.settings)


def test_there_are_many_pairs_of_either_kind() -> None:
    same = sum(path.stem.startswith("same_") for path in PAIRS)
    assert same >= 15 and len(PAIRS) - same >= 15


@pytest.mark.wide(2)
@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_every_difference_is_said_by_parts(path: Path) -> None:
    document = as_document(compared(before(path), path))
    assert document["same_mathematics"] is path.stem.startswith("same_")
    for part in [*document["values"], *(part for objective in document["objectives"] for part in objective["parts"])]:
        assert part["changes"] or part["through"], part
        assert all(change["meaning"] or change["before"] or change["after"] for change in part["changes"])

"""All comparisons, and what of the library has none: inside another function, in no peer, or not looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from rldsl.assets import asset_names, asset_text
from tests.oracles import (
    agreement,
    areal,
    contrastive,
    liger,
    openrlhf,
    process,
    scoring_rules,
    shaping,
    skyrl,
    torch_functions,
    torch_parts,
    torchrl,
    trl_older,
    trl_online,
    trl_policy,
    trl_preference,
    trl_reference_free,
    trl_rollout,
    trl_supervised,
    verl_advantage,
    verl_correction,
    verl_further,
    verl_policy,
    watching,
)
from tests.oracles.absent import ABSENT
from tests.oracles.compare import LANGUAGE, Comparison

PARTS = (
    agreement,
    areal,
    contrastive,
    liger,
    openrlhf,
    process,
    scoring_rules,
    shaping,
    skyrl,
    torch_functions,
    torch_parts,
    torchrl,
    trl_older,
    trl_online,
    trl_policy,
    trl_preference,
    trl_reference_free,
    trl_rollout,
    trl_supervised,
    verl_advantage,
    verl_correction,
    verl_further,
    verl_policy,
    watching,
)
COMPARISONS: tuple[Comparison, ...] = tuple(comparison for part in PARTS for comparison in part.COMPARISONS)


@cache
def library() -> Mapping[str, str]:
    """The text of each function of the library, by `module.function`."""
    found = {}
    for file in asset_names("stdlib", ".rl"):
        for part in re.split(r"(?m)^(?=fn |test )", asset_text("stdlib", file)):
            if part.startswith("fn "):
                name = re.match(r"fn (\w+)", part)
                assert name is not None
                found[f"{file.removesuffix('.rl')}.{name[1]}"] = re.sub(r"(?m)#.*$", "", part)
    return found


def compared() -> frozenset[str]:
    """Entries of the library that are equal to a peer's code."""
    named = frozenset(entry for comparison in COMPARISONS if not comparison.differs for entry in comparison.entries)
    return frozenset(entry for entry in named if not entry.startswith(f"{LANGUAGE}."))


def differing() -> frozenset[str]:
    """Entries that a peer has in another form alone."""
    return frozenset(comparison.entries[0] for comparison in COMPARISONS if comparison.differs) - compared()


def through() -> dict[str, str]:
    """Entries that no comparison names, and the compared function that is made of them."""
    found: dict[str, str] = {}
    waiting = sorted(compared())
    while waiting:
        outer = waiting.pop(0)
        for inner in _called(outer):
            if inner not in compared() | differing() and inner not in found:
                found[inner] = outer
                waiting.append(inner)
    return found


def _called(entry: str) -> list[str]:
    """The library's functions that a function calls: those of its own module, of its imports, and of the prelude."""
    module, _ = entry.split(".")
    body = library()[entry]
    imports = dict(re.findall(r"(?s)import std\.(\w+) \((.*?)\)", asset_text("stdlib", f"{module}.rl")))
    names = {name.strip(): f"{other}.{name.strip()}" for other, listed in imports.items() for name in listed.split(",")}
    names |= {other.split(".")[1]: other for other in library() if other.split(".")[0] in (module, "prelude")}
    used = set(re.findall(r"\b(\w+)\b", body.split("=", 1)[1] if "=" in body else ""))
    return sorted(names[name] for name in used & names.keys() if names[name] != entry)


def unmatched() -> dict[str, str]:
    """Entries without a peer, and why; empty where nobody has said."""
    rest = sorted(set(library()) - compared() - differing() - set(through()))
    return {entry: ABSENT.get(entry, "") for entry in rest}

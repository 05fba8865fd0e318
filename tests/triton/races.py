"""Watches what interpreted programs load and store, and finds what only the interpreter's order keeps right: its programs run one
after the other, those of a GPU at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest


@dataclass
class Launch:
    """What the programs of one launch have touched so far, by address: who stored there, and who loaded from there."""

    stored: dict[int, int] = field(default_factory=dict)
    loaded: dict[int, set[int]] = field(default_factory=dict)
    behind: set[int] = field(default_factory=set)  # stored by the program that runs, before its last barrier
    added: set[int] = field(default_factory=set)


@dataclass
class Watched:
    """Faults so far, and how many launches were watched."""

    faults: list[str] = field(default_factory=list)
    launches: int = 0
    programs: int = 0
    launch: Launch = field(default_factory=Launch)

    # ------------------------------------------------------------ what happens
    def begin(self) -> None:
        """Another launch: all that was stored before is there."""
        self.launch = Launch()
        self.launches += 1

    def load(self, program: int, addresses: np.ndarray[Any, Any]) -> None:
        """Lanes that are not masked."""
        launch = self.launch
        for address in addresses.tolist():
            owner = launch.stored.get(address)
            if owner is not None and (owner != program or address not in launch.behind):
                self.faults.append(f"program {program} loads what program {owner} has stored in the same launch")
            launch.loaded.setdefault(address, set()).add(program)

    def store(self, program: int, addresses: np.ndarray[Any, Any]) -> None:
        """Lanes that are not masked."""
        launch = self.launch
        if len(np.unique(addresses)) != len(addresses):
            self.faults.append(f"two lanes of program {program} store at one place")
        for address in addresses.tolist():
            if address in launch.stored:
                self.faults.append(f"programs {launch.stored[address]} and {program} store at one place")
            if address in launch.added:
                self.faults.append(f"program {program} stores where others add")
            if address in launch.loaded:
                self.faults.append(f"program {program} stores where {sorted(launch.loaded[address])} have loaded")
            launch.stored[address] = program

    def barrier(self, program: int) -> None:
        """Behind it a program's threads see what the others of the program have stored."""
        self.launch.behind = {address for address, owner in self.launch.stored.items() if owner == program}

    def add(self, addresses: np.ndarray[Any, Any]) -> None:
        """By an atomic operation."""
        for address in addresses.tolist():
            if address in self.launch.stored or address in self.launch.loaded:
                self.faults.append("a program adds where another one loads or stores")
            self.launch.added.add(address)


@contextmanager
def watched() -> Iterator[Watched]:
    """While it is entered."""
    from triton.runtime.interpreter import InterpreterBuilder as Builder
    found = Watched()
    plain = {name: getattr(Builder, name) for name in (
        "create_masked_load", "create_masked_store", "create_atomic_rmw", "create_barrier", "set_grid_dim", "set_grid_idx")}

    def lanes(pointers: Any, mask: Any) -> np.ndarray[Any, Any]:
        at: np.ndarray[Any, Any] = np.asarray(pointers.data).reshape(-1)
        return at[np.broadcast_to(np.asarray(mask.data, dtype=bool).reshape(-1), at.shape)]

    def load(self: Any, pointers: Any, mask: Any, *others: Any) -> Any:
        found.load(self.grid_idx[0], lanes(pointers, mask))
        return plain["create_masked_load"](self, pointers, mask, *others)

    def store(self: Any, pointers: Any, value: Any, mask: Any, *others: Any) -> Any:
        found.store(self.grid_idx[0], lanes(pointers, mask))
        return plain["create_masked_store"](self, pointers, value, mask, *others)

    def add(self: Any, operation: Any, pointers: Any, value: Any, mask: Any, *others: Any) -> Any:
        found.add(lanes(pointers, mask))
        return plain["create_atomic_rmw"](self, operation, pointers, value, mask, *others)

    def barrier(self: Any) -> Any:
        found.barrier(self.grid_idx[0])
        return plain["create_barrier"](self)

    def begin(self: Any, *sizes: int) -> Any:
        found.begin()
        return plain["set_grid_dim"](self, *sizes)

    def turn(self: Any, *indices: int) -> Any:
        found.programs += 1
        found.launch.behind = set()
        return plain["set_grid_idx"](self, *indices)

    with pytest.MonkeyPatch.context() as patch:
        for name, watching in zip(plain, (load, store, add, barrier, begin, turn), strict=True):
            patch.setattr(Builder, name, watching)
        yield found

"""Answers kept on disk: one sqlite file for many processes. A file that is broken or locked is said once and done without.

Keeps plain JSON by key (`question.key_of`); knows nothing of judges. Failures are never kept, and no key of a server either.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

_TABLE: Final = """create table if not exists kept
    (key text primary key, kind text not null, value text not null, seconds real not null) without rowid"""
_AT_ONCE: Final = 500  # keys in one query


def default_folder() -> Path:
    """`RLDSL_CACHE`/rewards, else the user's cache folder."""
    chosen = os.environ.get("RLDSL_CACHE")
    if chosen:
        return Path(chosen) / "rewards"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rldsl" / "rewards"


def note(message: str) -> None:
    """Tell the user, beside what is printed."""
    print(f"note: {message}", file=sys.stderr)


class Keep:
    """The cache on disk. Safe to be used by several threads and processes; what a crash cuts off is only not kept."""

    def __init__(self, folder: Path | None = None, *, patience: float = 5.0, say: Callable[[str], None] = note,
                 is_read_only: bool = False) -> None:
        """`patience` is how long another process's lock is waited for, in seconds. `say` tells the user what is wrong. What is
        read only finds what is there, makes no file and keeps nothing."""
        self.path = (folder or default_folder()) / "kept.sqlite"
        self.problem: str | None = None
        self._patience, self._say, self._is_read_only = patience, say, is_read_only
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """What is kept under these keys, those that are."""
        wanted = list(dict.fromkeys(keys))
        if self._is_read_only and not self.path.exists():
            return {}
        found: dict[str, Any] = {}
        for first in range(0, len(wanted), _AT_ONCE):
            part = wanted[first:first + _AT_ONCE]
            places = ",".join("?" * len(part))
            rows = self._run(lambda database, part=part, places=places: database.execute(  # type: ignore[misc]
                f"select key, value from kept where key in ({places})", part).fetchall())
            for key, value in rows or ():
                _read(found, key, value)
        return found

    def put(self, kind: str, values: Mapping[str, Any]) -> None:
        """Keep plain JSON values. `kind` says what they are: `clear` may forget one kind alone."""
        now = time.time()
        rows = [(key, kind, json.dumps(value, ensure_ascii=True), now) for key, value in values.items()]
        if rows and not self._is_read_only:
            self._run(lambda database: database.executemany("insert or replace into kept values (?, ?, ?, ?)", rows))

    def clear(self, kind: str | None = None) -> int:
        """Forget all, or all of one kind; how many there were."""
        where, values = ("", ()) if kind is None else (" where kind = ?", (kind,))
        cursor = self._run(lambda database: database.execute(f"delete from kept{where}", values))
        return int(cursor.rowcount) if cursor is not None else 0

    def count(self, kind: str | None = None) -> int:
        """How many are kept."""
        where, values = ("", ()) if kind is None else (" where kind = ?", (kind,))
        found = self._run(lambda database: database.execute(f"select count(*) from kept{where}", values).fetchone())
        return int(found[0]) if found is not None else 0

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _run(self, action: Callable[[sqlite3.Connection], Any]) -> Any:
        """The action in a transaction of its own; None, after a message, once the file cannot be used."""
        with self._lock:
            if self.problem is not None:
                return None
            try:
                database = self._opened()
                with database:
                    return action(database)
            except (sqlite3.Error, OSError) as fault:
                self._give_up(fault)
                return None

    def _opened(self) -> sqlite3.Connection:
        if self._open is None and self._is_read_only:
            self._open = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=self._patience,
                                         check_same_thread=False)
        elif self._open is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            database = sqlite3.connect(self.path, timeout=self._patience, check_same_thread=False)
            self._open = database
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")  # a crash of the machine loses the last answers, never the file
            with database:
                database.execute(_TABLE)
        return self._open

    def _give_up(self, fault: Exception) -> None:
        if isinstance(fault, sqlite3.OperationalError) and "locked" in str(fault):
            cure = f"another process has held it for {self._patience:g} s"
        elif isinstance(fault, sqlite3.DatabaseError) and not isinstance(fault, sqlite3.OperationalError):
            cure = "delete the file to begin anew"
        else:
            cure = "see that the folder can be written, or name another with RLDSL_CACHE"
        self.problem = f"answers are not kept from here on: {self.path} cannot be used ({fault}); {cure}"
        if self._open is not None:
            self._open.close()
            self._open = None
        self._say(self.problem)

    def __enter__(self) -> Keep:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _read(found: dict[str, Any], key: str, value: str) -> None:
    """One kept value; one that is no JSON is as good as none."""
    try:
        found[key] = json.loads(value)
    except ValueError:
        return

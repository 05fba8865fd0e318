"""The code as a program that reads its input and writes its output; and a query in a database of its own."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

_FILE = "program.py"


def run_program(source: str, arguments: list[str]) -> None:
    """Run the code as `__main__` of this process, its input and output being those of the process."""
    import types

    _write(_FILE, source)
    module = types.ModuleType("__main__")
    module.__file__ = _FILE
    sys.modules["__main__"] = module
    sys.argv = [_FILE, *arguments]
    _standard_streams()
    exec(compile(source, _FILE, "exec"), module.__dict__)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def run_command(source: str, command: list[str], file: str) -> None:
    """Write the code into a file, and become the command; `{file}` in it is that file."""
    _write(file, source)
    words = [word.replace("{file}", file) for word in command]
    os.execvpe(words[0], words, dict(os.environ))


def _write(file: str, source: str) -> None:
    with open(file, "w", encoding="utf-8", errors="surrogatepass") as opened:
        opened.write(source)


def _standard_streams() -> None:
    """Python's own streams on descriptors 0, 1 and 2, as a new interpreter has them."""
    sys.stdin = os.fdopen(0, "r", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)


# ------------------------------------------------------------------ queries
_MOST_ROWS = 100_000


def run_query(setup: str, query: str, replies: int) -> None:
    """Make the database in memory, then run one query that can only read; rows or the error, as one line of JSON."""
    import sqlite3

    connection = sqlite3.connect(":memory:", isolation_level=None)
    answer: dict[str, Any]
    try:
        connection.executescript(setup)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as fault:
        answer = {"setup": f"{type(fault).__name__}: {fault}"}
    else:
        connection.set_authorizer(lambda *asked: _may(sqlite3, *asked))
        answer = _queried(sqlite3, connection, query)
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(replies, data):]


def _queried(sqlite3: Any, connection: Any, query: str) -> dict[str, Any]:
    try:
        cursor = connection.execute(query)
        rows = cursor.fetchmany(_MOST_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as fault:
        return {"error": f"{type(fault).__name__}: {fault}"}
    if cursor.description is None:
        return {"error": "it is no query: it gives no rows"}
    if len(rows) > _MOST_ROWS:
        return {"error": f"it gives more than {_MOST_ROWS:,} rows"}
    return {"rows": [[cell.hex() if isinstance(cell, bytes) else cell for cell in row] for row in rows]}


def _may(sqlite3: Any, action: int, first: Any, second: Any, database: Any, inside: Any) -> int:
    """Reading, and functions that do no more than compute."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE):
        return int(sqlite3.SQLITE_OK)
    if action == sqlite3.SQLITE_FUNCTION and second not in ("load_extension", "fts3_tokenizer", "writefile", "edit"):
        return int(sqlite3.SQLITE_OK)
    return int(sqlite3.SQLITE_DENY)

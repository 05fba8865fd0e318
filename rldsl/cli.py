"""The entry point of `rldsl`. `check` of plain files takes a short way that imports no command-line library."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

BUG = 70


def main() -> None:
    """Run a command. A bug of the compiler asks for a report; users' mistakes never get here."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning OpenMP threads collapse on shared machines
    from rldsl.diagnostics import InternalError
    try:
        sys.exit(_run(sys.argv[1:]))
    except InternalError as fault:
        print(f"This is a bug of rldsl, not of your spec: {fault}\nPlease report it with the spec.", file=sys.stderr)
        sys.exit(BUG)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _run(arguments: Sequence[str]) -> int:
    if _is_plain_check(arguments):
        from rldsl.reporting import check_files
        files = [Path(argument) for argument in arguments[1:] if not argument.startswith("--")]
        return check_files(files, {}, as_json="--json" in arguments, pedantic="--pedantic" in arguments)
    from rldsl.commands import app
    app(args=list(arguments), prog_name="rldsl")
    return 0


def _is_plain_check(arguments: Sequence[str]) -> bool:
    """`check FILE… [--json] [--pedantic]` and nothing else; the full parser has every other form."""
    if not arguments or arguments[0] != "check":
        return False
    files = [argument for argument in arguments[1:] if argument not in ("--json", "--pedantic")]
    return bool(files) and not any(file.startswith("-") for file in files)


if __name__ == "__main__":
    main()

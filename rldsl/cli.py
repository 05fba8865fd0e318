"""The entry point of `rldsl`. `check` and `diff` of plain files take a short way that imports no command-line library."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

FAULT, USAGE, BUG, INTERRUPTED = 1, 2, 70, 130
# What the extra `torch` installs; the core (check, fmt, explain, diff, new) needs none of it.
EXTRA = frozenset({"torch", "numba", "numpy", "transformers", "tokenizers", "safetensors", "pyarrow", "tensorboard",
                   "jsonschema", "math_verify"})


def main() -> None:
    """Run a command. A bug of the compiler asks for a report; users' mistakes never get here."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning OpenMP threads collapse on shared machines
    arguments = sys.argv[1:]
    try:
        status = _status(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output left: it is not whole, so this is no success
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAULT
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as fault:
        status = _failed(fault, arguments)
    sys.exit(status)


def _failed(fault: Exception, arguments: Sequence[str]) -> int:
    """A package that is not there, or else a bug: with its traceback, for the report."""
    package = (getattr(fault, "name", None) or "").partition(".")[0] if isinstance(fault, ModuleNotFoundError) else ""
    if package in EXTRA:
        print(_missing(package, arguments), file=sys.stderr)
        return USAGE
    import traceback
    traceback.print_exception(fault)
    print("\nThis is a bug of rldsl, not of your spec. Please report it with the spec and the lines above.", file=sys.stderr)
    return BUG


def _status(arguments: Sequence[str]) -> int | str | None:
    try:
        return _run(arguments)
    except SystemExit as leaving:  # how the command-line library ends
        return leaving.code


def _run(arguments: Sequence[str]) -> int:
    if _is_plain(arguments, "diff", ("--json",)) and len(files := _files(arguments)) == 2:
        from rldsl.difference.command import diff_files
        return diff_files(files[0], files[1], {}, as_json="--json" in arguments)
    if _is_plain(arguments, "check", ("--json", "--pedantic")):
        from rldsl.reporting import check_files
        return check_files(_files(arguments), {}, as_json="--json" in arguments, pedantic="--pedantic" in arguments)
    from rldsl.commands import app
    app(args=list(arguments), prog_name="rldsl")
    return 0


def _is_plain(arguments: Sequence[str], command: str, options: tuple[str, ...]) -> bool:
    """`check FILE… [--json] [--pedantic]` and nothing else; the full parser has every other form."""
    if not arguments or arguments[0] != command:
        return False
    files = [argument for argument in arguments[1:] if argument not in options]
    return bool(files) and not any(file.startswith("-") for file in files)


def _files(arguments: Sequence[str]) -> list[Path]:
    return [Path(argument) for argument in arguments[1:] if not argument.startswith("--")]


def _missing(package: str, arguments: Sequence[str]) -> str:
    return (f"error: `rldsl {arguments[0] if arguments else ''}` needs {package}, which is not installed\n"
            " why: check, fmt, explain, diff and new do without it; what trains, tests or certifies does not.\n"
            " fix: pip install 'rldsl[torch]'")


if __name__ == "__main__":
    main()

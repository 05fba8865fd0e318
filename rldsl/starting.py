"""`rldsl new`: a project folder that trains at once, from an example."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rldsl.assets import asset_path
from rldsl.resolve.names import did_you_mean, listed

_MODULE = re.compile(r'python\("([\w.]+):\w+"')
_FILE = re.compile(r'(?:jsonl|csv|parquet)\("([^"]+)"')


def examples() -> dict[str, Path]:
    """The examples by name."""
    return {path.stem: path for path in sorted(asset_path("examples").glob("*.rl"))}


def new_project(name: str, like: str) -> int:
    """The `new` command: `<name>/<name>.rl` and the task module that it needs."""
    folder, known = Path(name), examples()
    if like not in known:
        print(f"error: there is no example `{like}`\n why: there are {listed(known, 20)}.\n fix: "
              f"{did_you_mean(like, known) or '`--like quickstart`'}", file=sys.stderr)
        return 2
    if not re.fullmatch(r"[A-Za-z][\w-]*", folder.name):
        print(f"error: `{folder.name}` is no name for a project\n why: it names a file and a folder.\n fix: letters, digits,"
              " `-` and `_`", file=sys.stderr)
        return 2
    if folder.exists():
        print(f"error: `{folder}` exists\n why: nothing is overwritten.\n fix: another name", file=sys.stderr)
        return 1
    try:
        spec = _write(folder, known[like])
    except OSError as fault:
        print(f"error: `{folder}` cannot be made\n why: {fault.strerror}: {fault.filename}\n fix: another place",
              file=sys.stderr)
        return 1
    print(f"made {spec}\n\n  rldsl check {spec}\n  {_next(spec)}")
    return 0


def _write(folder: Path, example: Path) -> Path:
    """The example's text under the project's name, and the modules and files that its data come from."""
    text = example.read_text(encoding="utf-8")
    folder.mkdir(parents=True)
    spec = folder / f"{folder.name}.rl"
    spec.write_text(text, encoding="utf-8")
    for module in sorted(set(_MODULE.findall(text))):
        _copy(example.parent, folder, Path(*module.split(".")).with_suffix(".py"))
    for file in sorted(set(_FILE.findall(text))):
        _copy(example.parent, folder, Path(file))
    return spec


def _next(spec: Path) -> str:
    """What to do with a spec: train, or score what its data file holds where it trains nothing."""
    text = spec.read_text(encoding="utf-8")
    if re.search(r"^train \{", text, re.MULTILINE):
        return f"rldsl run {spec}"
    return f"rldsl score {spec} {spec.parent / _FILE.findall(text)[0]}"


def _copy(source: Path, target: Path, relative: Path) -> None:
    (target / relative).parent.mkdir(parents=True, exist_ok=True)
    (target / relative).write_text((source / relative).read_text(encoding="utf-8"), encoding="utf-8")

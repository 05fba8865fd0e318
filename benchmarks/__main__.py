"""Every benchmark, one after the other: `python -m benchmarks [name …]`. Each prints its own table.

`python -m benchmarks gpu` needs a GPU, and is not among all; options after a name go to it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent
ASKED_FOR = ("gpu",)  # what runs by its name alone
PACKAGES = ("torch", "numba", "numpy", "transformers")


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def machine() -> str:
    """What ran them."""
    versions = ", ".join(f"{name} {installed(name)}" for name in PACKAGES)
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor()) if Path("/proc/cpuinfo").exists() else platform.processor()
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def installed(package: str) -> str:
    """Its version, or a dash."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def main() -> int:
    """Run those that are named, or all; what follows a name's first option goes to each."""
    given = sys.argv[1:]
    end = next((place for place, word in enumerate(given) if word.startswith("-")), len(given))
    chosen, options = given[:end] or names(), given[end:]
    unknown = [name for name in chosen if name not in (*names(), *ASKED_FOR)]
    if unknown:
        print(f"no benchmark {unknown[0]}; there are {', '.join((*names(), *ASKED_FOR))}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    worst = 0
    for name in chosen:
        print(f"\n== {name}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())

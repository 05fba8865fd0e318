"""Every benchmark, one after the other: `python -m benchmarks [name …]`. Each prints its own table."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGES = ("torch", "numba", "numpy", "transformers")


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def machine() -> str:
    """What ran them."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor()) if Path("/proc/cpuinfo").exists() else platform.processor()
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def main() -> int:
    """Run those that are named, or all."""
    chosen = sys.argv[1:] or names()
    unknown = [name for name in chosen if name not in names()]
    if unknown:
        print(f"no benchmark {unknown[0]}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    worst = 0
    for name in chosen:
        print(f"\n== {name}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())

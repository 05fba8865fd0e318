"""`python -m tests.oracles [word …]`: compare, and write docs/oracles.md. With words, only names that have them, and no page."""

from __future__ import annotations

import sys
import time

from rldsl.assets import asset_path
from tests.oracles.catalog import COMPARISONS
from tests.oracles.compare import Comparison, Difference, holds, measured
from tests.oracles.page import missing_peers, oracles_page


def main() -> int:
    """0 if everything came out as it says."""
    words = sys.argv[1:]
    if missing := missing_peers():
        print(f"not installed: {', '.join(missing)}. `make oracles` installs them.", file=sys.stderr)
        return 2
    chosen = [entry for entry in COMPARISONS if all(word in entry.name for word in words)]
    found: dict[Comparison, Difference] = {}
    failed = 0
    for comparison in chosen:
        start = time.perf_counter()
        found[comparison] = difference = measured(comparison)
        good = holds(comparison, difference)
        failed += not good
        print(
            f"{'' if good else 'WRONG '}{comparison.name}: {difference.relative_value:.1e} {difference.relative_gradient:.1e} "
            f"{difference.kernels:.1e} ({time.perf_counter() - start:.1f} s)",
            flush=True,
        )
    if not words and not failed:
        (asset_path("docs") / "oracles.md").write_text(oracles_page(found), encoding="utf-8")
        print("wrote docs/oracles.md")
    print(f"{len(chosen) - failed} of {len(chosen)} hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

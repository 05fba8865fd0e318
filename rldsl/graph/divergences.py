"""How a divergence is called when it is computed beside the row of one of its two models: what is symmetric about each.

KL(p||q) is the reverse KL of q's row. JS with weight b of p has weight 1 - b of q. The alpha divergence of (p, q) is that of
(q, p) at 1 - a, and is summed over the distribution with the larger exponent, which keeps it accurate near 0 and 1.
"""

from __future__ import annotations

from rldsl.diagnostics import InternalError
from rldsl.graph.model import ReadKind

DIVERGENCES = frozenset({ReadKind.KL, ReadKind.JS, ReadKind.TV, ReadKind.ALPHA})


def row_divergence(kind: ReadKind, parameter: float | None, *, of_second: bool) -> tuple[str, float | None]:
    """The name and the parameter for the row of the first model, or `of_second`: kl, reverse_kl, js (weight of the row's
    own model), tv, alpha and reverse_alpha (exponent c <= 1/2 of the other, of the row's own model)."""
    match kind:
        case ReadKind.KL:
            return "reverse_kl" if of_second else "kl", None
        case ReadKind.TV:
            return "tv", None
        case ReadKind.JS if parameter is not None:
            return "js", 1.0 - parameter if of_second else parameter
        case ReadKind.ALPHA if parameter is not None:
            own = 1.0 - parameter if of_second else parameter
            return ("alpha", 1.0 - own) if own >= 0.5 else ("reverse_alpha", own)
        case _:
            raise InternalError(f"{kind} with {parameter} is no divergence")

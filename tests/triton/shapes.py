"""Sets of reads that between them have every kind, with and without gradients and twins."""

from __future__ import annotations

from rldsl.emit.to_head import RowRead as R
from rldsl.emit.to_head import RowShape

SHAPES = {
    "logp": RowShape((R("logp", None, True), R("logz", None, True), R("entropy"))),
    "entropy": RowShape((R("logp", None, True), R("entropy", None, True), R("logz", None, True))),
    "two others": RowShape((R("logp", None, True), R("entropy", None, True), R("kl", 0, True), R("reverse_kl", 0, True),
                            R("js", 1, True, 0.5), R("tv", 1, True)), 2),
    "mixtures": RowShape((R("js", 0, True, 0.1), R("js", 0, True, 0.7, 1), R("js", 0, False, 0.999, 2), R("tv", 0, True)), 1),
    "powers": RowShape((R("entropy", None, True), R("alpha", 0, True, 0.5), R("reverse_alpha", 0, True, 0.3),
                        R("alpha", 0, True, 0.001, 1), R("alpha", 0, False, -1.0, 2)), 1),
}

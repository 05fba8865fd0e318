"""The functions of float64 that combine kernels call, at every pair of values that IEEE 754 treats apart: against numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.emit.templates import render
from rldsl.emit.triton.load import interprets, load_triton
from tests.triton.rows import device

pytestmark = pytest.mark.gpu

Numbers = npt.NDArray[np.float64]
ONE = ("expm1", "log1p", "sigmoid", "log_sigmoid", "softplus", "tanh", "sign", "relu")
TWO = ("power", "smaller", "larger", "otherwise")
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 2.5, 1e-300, -1e-300, 1e300, -1e300, 1e-9, -1e-9, 40.0,
                    -40.0, 710.0, -746.0, np.inf, -np.inf, np.nan])
KERNEL = """

@triton.jit
def apply_{name}(x_at, y_at, out_at, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x, y = tl.load(x_at + at, mask=at < count, other=0.0), tl.load(y_at + at, mask=at < count, other=0.0)
    tl.store(out_at + at, {name}({arguments}), mask=at < count)


def run_{name}(x, y, out):
    apply_{name}[(1,)](x, y, out, len(x), BLOCK=1024, num_warps=4, enable_fp_fusion=False)
"""


def found(name: str, x: Numbers, y: Numbers) -> Numbers:
    """By a kernel."""
    names = sorted((*ONE, *TWO))
    kernels = "".join(KERNEL.format(name=entry, arguments="x" if entry in ONE else "x, y") for entry in names)
    text = "import triton\nimport triton.language as tl\n" + render("triton/helpers.py.jinja", used=names) + kernels
    module = load_triton(text, "helpers")
    out = torch.empty(len(x), dtype=torch.float64, device=device())
    getattr(module, f"run_{name}")(*(torch.from_numpy(part).to(device()) for part in (x, y)), out)
    numbers: Numbers = out.cpu().numpy()
    return numbers


def wanted(name: str, x: Numbers, y: Numbers) -> Numbers:
    """By numpy; NaN is an absent value."""
    small = np.exp(-np.abs(x))
    forms = {
        "expm1": np.expm1(x), "log1p": np.log1p(x), "tanh": np.tanh(x), "sign": np.sign(x), "relu": np.maximum(x, 0.0),
        "sigmoid": np.where(x >= 0, 1.0, small) / (1.0 + small), "softplus": np.logaddexp(x, 0.0),
        "log_sigmoid": -np.logaddexp(-x, 0.0), "power": np.where(np.isnan(x) | np.isnan(y), np.nan, np.power(x, y)),
        "smaller": np.minimum(x, y), "larger": np.maximum(x, y), "otherwise": np.where(np.isnan(x), y, x)}
    return forms[name]


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_helpers_are_those_of_ieee_754_and_absence(name: str) -> None:
    """Infinities and absence exactly, numbers to some units of the last place: of a power as many as its exponent has, and twice
    as many on a GPU, whose logarithm errs by a unit where that of the interpreter errs by half of one."""
    x, y = (part.ravel().copy() for part in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        got, exactly = found(name, x, y), wanted(name, x, y)
        exponent = np.nan_to_num(np.abs(y * np.log(np.abs(x))), posinf=0.0)
        units = 4 + (1 if interprets() else 2) * exponent if name == "power" else 4.0
        close = np.abs(got - exactly) <= units * 2.3e-16 * np.abs(exactly) + 5e-324
    same = (got == exactly) | (np.isnan(got) & np.isnan(exactly)) | close
    assert same.all(), list(zip(x[~same], y[~same], got[~same], exactly[~same], strict=True))[:5]

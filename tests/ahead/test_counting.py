"""What is counted in the texts that compilers write: small ones, made by hand."""

from __future__ import annotations

import pytest

from rldsl.ahead.excerpt import excerpt
from rldsl.ahead.results import Compiled
from rldsl.ahead.sass import Usage, listing_of, usage_of
from rldsl.ahead.ttir import loops_of

TTIR = """
module {
  tt.func public @k(%x: !tt.ptr<bf16>) {
    %s = scf.for %i = %a to %b step %c iter_args(%t = %z) -> (f32)  : i32 {
      %l = tt.load %p, %m, %o : tensor<8x128x!tt.ptr<bf16>> loc(#1)
      %e = arith.extf %l : tensor<8x128xbf16> to tensor<8x128xf32> loc(#1)
      %f = math.exp2 %e : tensor<8x128xf32> loc(#1)
      %n = arith.addi %i, %i : tensor<8x128xi32> loc(#1)
      %g = arith.mulf %f, %e : tensor<8x128xf32> loc(#1)
      %r = "tt.reduce"(%g) <{axis = 0 : i32}> ({
      ^bb0(%u: f32 loc(#1), %v: f32 loc(#1)):
        %w = arith.addf %u, %v : f32 loc(#2)
        tt.reduce.return %w : f32 loc(#2)
      }) : (tensor<8x128xf32>) -> tensor<128xf32> loc(#2)
      scf.yield %t : f32 loc(#3)
    } loc(#3)
    %h = scf.if %q -> (f64) {
      %j = scf.for %i = %a to %b step %c : i32 {
        %l2 = tt.load %p : tensor<64x!tt.ptr<f64>> loc(#1)
      } loc(#3)
      scf.yield %j : f64 loc(#3)
    } else {
      scf.yield %s : f64 loc(#3)
    } loc(#3)
    scf.if %q {
      scf.for %i = %a to %b step %c : i32 {
        %l3 = tt.load %p : tensor<1024x!tt.ptr<bf16>> loc(#1)
        tt.store %p, %l3, %m : tensor<1024x!tt.ptr<bf16>> loc(#1)
      } loc(#3)
    } else {
      scf.for %i = %a to %b step %c : i32 {
        tt.store %p, %z : tensor<1024x!tt.ptr<bf16>> loc(#1)
      } loc(#3)
    } loc(#3)
    %one = tt.load %x : !tt.ptr<bf16> loc(#1)
    tt.return loc(#3)
  } loc(#3)
}
"""

SASS = """
.text.k:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/              @!P3 LDG.E.128 R12, desc[UR12][R22.64] ;
        /*0020*/                   MUFU.EX2 R31, R45 ;
        /*0030*/                   FFMA R1, R2, R3, R4 ;
        /*0040*/              @!P1 BRA `(.L_x_1) ;
        /*0050*/                   STL.64 [R1], R24 ;
.L_x_2:
        /*0060*/                   LDG.E.U16 R12, desc[UR12][R22.64] ;
        /*0070*/                   DADD R2, R4, R6 ;
        /*0080*/                   STG.E.64 desc[UR12][R2.64], R4 ;
        /*0090*/              @!P1 BRA `(.L_x_2) ;
.L_x_4:
        /*00a0*/                   LDL.LU.64 R2, [R1] ;
        /*00b0*/                   STG.E desc[UR12][R2.64], R4 ;
        /*00c0*/                   EXIT ;
.L_x_3:
        /*00d0*/                   IADD3 R1, R2, R3, RZ ;
        /*00e0*/                   BRA `(.L_x_4) ;
.L_x_5:
        /*00f0*/                   BRA `(.L_x_5) ;
        /*0100*/                   NOP ;
"""


def test_loops_are_counted_for_each_element_of_their_widest_access() -> None:
    first, aside, written, zeros = loops_of(TTIR)
    assert (first.width, first.read, first.written) == (1024, 2.0, 0.0)
    assert (first.operations, first.special) == (3.0, 1.0)  # an exponential, a product, a sum
    assert (aside.width, aside.read) == (64, 8.0)
    assert (written.read, written.written, zeros.written) == (2.0, 2.0, 2.0)


def test_what_is_seldom_done_is_set_aside() -> None:
    assert [loop.is_aside for loop in loops_of(TTIR)] == [False, True, False, True]


def test_a_text_without_loops_has_none() -> None:
    assert loops_of("module {\n  tt.func public @k() {\n    tt.return\n  }\n}\n") == ()


def test_code_is_counted_by_loop_and_what_jumps_back_from_behind_the_end_is_none() -> None:
    listing = listing_of(SASS)
    assert [(loop.instructions, loop.read, loop.written, loop.widest) for loop in listing.loops] == [(4, 16, 0, 16), (4, 2, 8, 8)]
    assert (listing.loops[0].special, listing.loops[1].double) == (1, 1)
    assert listing.instructions == 16


def test_spills_are_the_bytes_of_local_stores() -> None:
    listing = listing_of(SASS)
    assert (listing.local_stores, listing.local_loads, listing.spilled) == (1, 1, 8)


def test_registers_and_stack_are_those_of_the_cubin() -> None:
    text = " Function k:\n  REG:64 STACK:16 SHARED:1024 LOCAL:0 CONSTANT[0]:608"
    assert usage_of(text) == Usage(64, 16, 1024)
    assert usage_of("") is None


def test_instructions_of_a_thread_are_those_of_its_usual_loops_for_each_element() -> None:
    # The first loop of the text reads 2 bytes an element; its code reads 16 a thread: 8 elements by 4 instructions.
    text = "\n".join(TTIR.splitlines()[:18]) + "\n  } loc(#3)\n}\n"
    code = "\n".join(SASS.splitlines()[:8]) + "\n"
    kernel = Compiled("k", "sm_90", 4, 2, Usage(64, 0, 0), listing_of(code), loops_of(text))
    assert kernel.traffic is not None
    assert kernel.traffic.instructions == 4 * 2 / 16
    assert Compiled.from_json(kernel.to_json()) == kernel


def test_where_loops_cannot_be_told_apart_instructions_are_not_given() -> None:
    kernel = Compiled("k", "sm_90", 4, 2, Usage(64, 0, 0), listing_of(SASS), loops_of(TTIR))
    assert kernel.traffic is not None
    assert (kernel.traffic.read, kernel.traffic.written, kernel.traffic.instructions) == (4.0, 2.0, None)


MODULE = '''
"""A module."""
import torch
import triton
import triton.language as tl

SCALE = tl.constexpr(2.0)
UNUSED = 3


@triton.jit
def inner(x):
    """Says something."""
    return x * SCALE  # by two


@triton.jit
def first(x, BLOCK: tl.constexpr):
    tl.store(x, inner(tl.load(x)))


@triton.jit
def second(x):
    tl.store(x, 1)


def launch(x):
    first[(1,)](x, torch.float32)
'''


def test_a_kernel_takes_along_what_it_names_and_nothing_else() -> None:
    text = excerpt(MODULE, "first").text
    assert "def inner" in text and "SCALE" in text and "import triton.language as tl" in text
    assert not any(word in text for word in ("torch", "second", "launch", "UNUSED", "Says", "by two"))


def test_a_variable_that_is_called_as_a_function_of_the_module_takes_nothing_along() -> None:
    module = MODULE.replace("def inner(x):", "def inner(launch):").replace("return x * SCALE", "return launch * SCALE")
    assert "torch" not in excerpt(module, "first").text


def test_kernels_that_differ_in_comments_alone_have_one_text() -> None:
    assert excerpt(MODULE, "first").text == excerpt(MODULE.replace("# by two", "# twice"), "first").text
    assert excerpt(MODULE, "first").text != excerpt(MODULE.replace("2.0", "3.0"), "first").text


@pytest.mark.parametrize("mark", ["\u2028", "\x0c", "\x85", "\x1c", "\u2028\u2029\x0b"])
def test_what_is_no_line_end_to_python_is_none_here(mark: str) -> None:
    """A spec's own lines stand above the kernels, as comments."""
    assert excerpt(f"# a spec {mark} of many{mark} lines\n{MODULE}", "first").text == excerpt(MODULE, "first").text


def test_kernels_that_differ_in_names_of_variables_have_one_text_but_for_what_is_handed_over_by_name() -> None:
    first = excerpt(MODULE, "first")
    changed = MODULE.replace("def first(x, BLOCK", "def first(y, BLOCK")
    other = excerpt(changed.replace("store(x, inner(tl.load(x", "store(y, inner(tl.load(y"), "first")
    assert first.text == other.text
    assert (list(first.names), list(other.names)) == (["x", "BLOCK"], ["y", "BLOCK"])
    assert first.names["x"] == other.names["y"] in first.text
    named = MODULE.replace("inner(tl.load(x))", "inner(x=tl.load(x))")
    assert "def inner(x)" in excerpt(named, "first").text
    told = MODULE.replace("@triton.jit\ndef first", '@triton.jit(do_not_specialize=["x"])\ndef first')
    assert excerpt(told, "first").names["x"] == "x"


def test_a_renamed_kernel_computes_the_same() -> None:
    text = """
def helper(a, b):
    c = a + b
    return c

def k(x, y):
    z = helper(x, y)
    for i in range(3):
        z = z * i + x
    return z
"""
    plain: dict[str, object] = {}
    renamed: dict[str, object] = {}
    exec(text, plain)
    exec(excerpt(text, "k").text, renamed)
    assert plain["k"](2, 5) == renamed["k"](2, 5) == ((7 * 0 + 2) * 1 + 2) * 2 + 2  # type: ignore[operator]

"""How answers are compared: texts that may differ in form, numbers with units, letters, tags."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rldsl.rewards.normal import repetition
from rldsl.rewards.outcome import FailureKind
from rldsl.rewards.run import HostCalls
from rldsl.rewards.signatures import PRIMITIVES, check_constant, check_settings
from rldsl.rewards.units import last_quantity, unit_of
from tests.rewards.project import operation

SQUAD = {"ignore_case": True, "ignore_punctuation": True, "ignore_articles": True, "ignore_space": True}


def results(calls: HostCalls, name: str, *inputs: Any, **settings: Any) -> list[Any]:
    """Values of one call as a list, None for absent ones."""
    values = calls.call(operation(name, **settings), inputs).values
    if isinstance(values, list):
        return values
    return [None if math.isnan(value) else value for value in values.tolist()]


# ------------------------------------------------------------------ texts
@pytest.mark.parametrize(("flag", "text", "answer"), [
    ("ignore_case", "Straße", "STRASSE"), ("ignore_space", "a \n b", "a b"), ("ignore_punctuation", "(a), b.", "a b"),
    ("ignore_punctuation", "«a» – b", "a  b"), ("ignore_articles", "The cat on a mat", "cat on mat"), ("nfkc", "ﬁve ５", "five 5"),
    ("strip", " a\n", "a"),
])
def test_each_flag_lets_one_thing_differ(calls: HostCalls, flag: str, text: str, answer: str) -> None:
    assert results(calls, "verify.equal", [text], [answer], **{"strip": False, flag: True}) == [1]
    assert results(calls, "verify.equal", [text], [answer], **{"strip": False, flag: False}) == [0]


def test_all_flags_are_the_exact_match_of_squad(calls: HostCalls) -> None:
    texts = ["The  U.S.A.", "an apple, a pear!", "theatre", "A"]
    answers = ["usa", "Apple pear", "atre", "the"]
    assert results(calls, "verify.equal", texts, answers, **SQUAD) == [1, 1, 0, 1]
    assert results(calls, "text.normalize", texts, **SQUAD) == ["usa", "apple pear", "theatre", ""]


def test_the_overlap_of_words_is_the_f1_of_squad(calls: HostCalls) -> None:
    texts = ["a b c", "a a b", "x", "", "a"]
    answers = ["b c d e", "a b b", "y", "", ""]
    # 2 of 3 and 2 of 4: 2 * 2 / 7; 2 of 3 and 2 of 3
    assert results(calls, "text.overlap", texts, answers) == [4 / 7, 2 / 3, 0, 1, 0]


def test_repetition_is_the_share_of_runs_that_stood_there_before(calls: HostCalls) -> None:
    texts = ["a b a b a b", "a b c d", "a a a", "a", ""]
    # runs of 2: ab ba ab ba ab, two different of five
    assert results(calls, "text.repetition", texts, n=2) == pytest.approx([0.6, 0, 0.5, 0, 0])
    assert results(calls, "text.repetition", texts, n=1) == pytest.approx([4 / 6, 0, 2 / 3, 0, 0])
    assert results(calls, "text.repetition", ["aaaa"], n=2, of="characters") == pytest.approx([2 / 3])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_repetition_agrees_with_counting_every_run(size: int) -> None:
    words = np.random.default_rng(0).integers(0, 4, 60).astype(str).tolist()
    runs = Counter(tuple(words[start:start + size]) for start in range(len(words) - size + 1))
    assert repetition(" ".join(words), size, True) == pytest.approx(sum(count - 1 for count in runs.values()) / runs.total())


# ------------------------------------------------------------------ numbers with units
@pytest.mark.parametrize(("text", "number", "dimension", "factor"), [
    ("9.8 m/s^2", "9.8", "m s^-2", 1), ("about 1.5 km long", "1.5", "m", 1000), (r"$2\text{ km}$.", "2", "m", 1000),
    ("$5$ km", "5", "m", 1000), (r"\$7.50", "7.5", "USD", 1), ("$5 and $6", "6", "USD", 1), (r"50\,\%", "50", "", Fraction(1, 100)),
    (r"3 \times 10^5 m", "300000", "m", 1), ("5 kg·m²", "5", "g m^2", 1000), ("-2.5 m s^-1", "-2.5", "m s^-1", 1),
    ("1,500 mL", "1500", "m^3", Fraction(1, 10**6)), ("5 miles per hour", "5", "m s^-1", Fraction("0.44704")),
    ("6 feet", "6", "m", Fraction("0.3048")), ("5 m2", "5", "m^2", 1), ("12 GB", "12", "bit", 8 * 10**9),
    ("5 in.", "5", "m", Fraction("0.0254")),
])
def test_the_last_number_with_its_unit(text: str, number: str, dimension: str, factor: Fraction | int) -> None:
    found = last_quantity(text)
    assert found is not None and found.number == Fraction(number) and found.unit is not None
    expected = sorted(part.partition("^") for part in dimension.split())
    assert found.unit.dimension == tuple((base, int(power or 1)) for base, _, power in expected)
    assert found.unit.factor == factor


@pytest.mark.parametrize("text", ["3 apples", "5 in total", "7 a day", "it is 4", "5 m of 7"])
def test_a_word_that_is_no_unit_is_none(text: str) -> None:
    found = last_quantity(text)
    assert found is not None and found.unit is None


@pytest.mark.parametrize(("unit", "made_of", "times"), [
    ("J", "N m", 1), ("V", "W/A", 1), ("Ω", "V/A", 1), ("F", "C/V", 1), ("W", "J/s", 1), ("Pa", "N/m^2", 1), ("kWh", "kJ", 3600),
    ("T", "V s/m^2", 1), ("H", "V s/A", 1), ("S", "A/V", 1), ("Sv", "J/kg", 1), ("kph", "km/h", 1), ("mph", "miles/hour", 1),
    ("acres", "ft^2", 43560), ("gallons", "in^3", 231), ("lb", "oz", 16), ("miles", "yards", 1760),
])
def test_a_unit_is_what_it_is_made_of(unit: str, made_of: str, times: int) -> None:
    whole, part = unit_of(unit), unit_of(made_of)
    assert whole is not None and part is not None
    assert (whole.dimension, whole.factor) == (part.dimension, times * part.factor)


def test_numbers_with_units_are_compared_in_base_units(calls: HostCalls) -> None:
    texts = ["it is 1500 m", "1.5 km", "1500", "1500 kg", "0.93205678835 miles", "so 1.501 km"]
    answers = ["1.5 km"] * len(texts)
    assert results(calls, "verify.number", texts, answers, units="required") == [1, 1, 0, 0, 0, 0]
    assert results(calls, "verify.number", texts, answers, units="optional") == [1, 1, 0, 0, 0, 0]
    assert results(calls, "verify.number", texts, answers, units="required", relative=0.001) == [1, 1, 0, 0, 1, 1]
    assert results(calls, "verify.number", ["1.5"], ["1.5 km"], units="optional") == [1]


def test_the_tolerance_is_in_the_unit_of_the_answer(calls: HostCalls) -> None:
    texts = ["1004 m", "1006 m", "0.996 km"]
    assert results(calls, "verify.number", texts, ["1 km"] * 3, units="required", tolerance=0.005) == [1, 0, 1]


def test_percentages_are_shares(calls: HostCalls) -> None:
    texts, answers = ["50%", "0.5", "50", "0.5"], ["0.5", "50 %", "50 %", "50 percent"]
    assert results(calls, "verify.number", texts, answers, units="required") == [1, 1, 0, 1]
    assert results(calls, "verify.number", texts, answers, units="optional") == [1, 0, 1, 0]


def test_temperatures_have_a_zero_of_their_own(calls: HostCalls) -> None:
    texts, answers = ["68 °F", r"20^\circ\text{C}", "293.15 K", "20 K"], ["20 °C"] * 4
    assert results(calls, "verify.number", texts, answers, units="required") == [1, 1, 1, 0]


def test_a_column_of_numbers_may_be_in_a_unit(calls: HostCalls) -> None:
    texts = ["2 km", "2000", "2000 m", "2"]
    assert results(calls, "verify.number", texts, np.full(4, 2000.0), units="optional", unit="m") == [1, 1, 1, 0]
    assert results(calls, "verify.number", ["5 kg", "5 apples"], np.full(2, 5.0), units="required") == [1, 1]


def test_a_relative_tolerance_is_a_share_of_the_answer(calls: HostCalls) -> None:
    texts, answers = ["101", "102", "-99", "0.001"], ["100", "100", "-100", "0"]
    assert results(calls, "verify.number", texts, answers, relative=0.01) == [1, 0, 1, 0]


# ------------------------------------------------------------------ letters and tags
@pytest.mark.parametrize(("text", "letter"), [
    ("The answer is (B).", "B"), ("the answer is B because A is wrong.", "B"), ("Answer: **C**", "C"), ("(b)", "B"),
    (r"A is wrong. \boxed{\text{D}}", "D"), ("Some reasons.\nB. The others are false", "B"), ("B is correct", "B"), ("#### D", "D"),
    ("The answer is A. No: the answer is B.", "B"), ("final answer:\n\nE", "E"), ("The answer is option C, not D", "C"),
    ("A cat sat there", None), ("I think A or B", None), ("The answers are A and C", None), ("The answer is not A", None),
    (r"\boxed{A, B}", None), ("It is F", None), ("", None), ("The answer is A/B", None), ("ABCDE", None),
])
def test_the_letter_that_an_answer_settles_on(calls: HostCalls, text: str, letter: str | None) -> None:
    assert results(calls, "text.choice", [text]) == [letter]


def test_a_choice_is_right_or_wrong_and_two_letters_are_wrong(calls: HostCalls) -> None:
    texts = ["The answer is B", "The answer is C", "The answer is B or C", "no idea", "It is B"]
    outcome = calls.call(operation("verify.choice", of="ABC"), [texts, ["B", "(b)", "B", "B", "D"]])
    assert outcome.values.tolist()[:4] == [1, 0, 0, 0]
    assert outcome.failed[4].kind is FailureKind.REFERENCE
    assert outcome.failed[4].message == "the answer 'D' is none of A, B, C"


def test_tags_stand_once_and_in_order(calls: HostCalls) -> None:
    good = "<think>a</think>\n<answer>b</answer>"
    texts = [good, f"so {good}", "<answer>b</answer><think>a</think>", "<think><answer>b</answer></think>", good + good,
             "<think>a</think>", "</think><think>", ""]
    assert results(calls, "verify.tags", texts, tags="think answer") == [1, 1, 0, 0, 0, 0, 0, 0]
    assert results(calls, "verify.tags", texts, tags="think answer", outside="nothing") == [1, 0, 0, 0, 0, 0, 0, 0]
    assert results(calls, "text.tags", texts, tags="think answer") == [1, 1, 0.5, 0.5, 0, 0.5, 0, 0]


def test_xml_is_one_element_without_a_document_type(calls: HostCalls) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>'
    texts = ["<a><b x='1'/></a>", " <a>é</a>\n", "<a>", "<a/><b/>", "a", bomb, "<a>\0</a>", "<a>\ud800</a>", "",
             "<a>" * 100_000 + "</a>" * 100_000]
    assert results(calls, "verify.xml", texts) == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]


# ------------------------------------------------------------------ constants
@pytest.mark.parametrize(("primitive", "parameter", "value", "said"), [
    ("verify.number", "unit", "furlongs", "the table of units has `km`, `kg m^-3`, `%` and many more, and not `furlongs`"),
    ("verify.number", "unit", "km/h", None),
    ("verify.number", "relative", -0.1, "`relative` must not be below 0"),
    ("text.repetition", "n", 0, "it is how many words a run has: a whole number from 1 on"), ("text.repetition", "n", 2, None),
    ("verify.tags", "tags", "<think>", "it names tags, separated by spaces, without their brackets"),
    ("verify.choice", "of", "abc", 'it is the upper-case letters to choose from, each once: "ABCD"'),
    ("verify.choice", "of", "ABA", 'it is the upper-case letters to choose from, each once: "ABCD"'),
])
def test_a_constant_that_does_not_fit_is_said(primitive: str, parameter: str, value: Any, said: str | None) -> None:
    assert parameter in {entry.name for entry in PRIMITIVES[primitive].parameters}
    assert check_constant(primitive, parameter, value) == said


def test_a_unit_without_units_is_said() -> None:
    assert "write `units: optional`" in str(check_settings({"unit": "m"}))
    assert check_settings({"unit": "m", "units": "required"}) is None


@pytest.mark.parametrize("text", ["the answer is " + " " * 400_000 + "x", "-" * 400_000, "1" + " per" * 100_000,
                                  "answer is " * 40_000, "\\boxed{" * 60_000, "$1" * 200_000, "\ud800" * 400_000, "\0" * 400_000])
def test_no_text_takes_long(calls: HostCalls, text: str) -> None:
    """Were one of them searched in quadratic time, this would take hours."""
    assert results(calls, "text.choice", [text])[0] is None
    assert results(calls, "verify.number", [text], ["7 km"], units="required") == [0]
    assert results(calls, "verify.tags", [text], tags="think") == [0]
    assert results(calls, "verify.equal", [text], ["b"], **SQUAD, nfkc=True) == [0]
    assert 0 <= results(calls, "text.repetition", [text])[0] <= 1

"""The fuzz bench's own inputs, in small: every parser gives a value or its own error, soon."""

from collections.abc import Iterator

import pytest
from bench import fuzz
from bench.fuzz import Account, Inputs, Spent
from bench.fuzz_parsers import TEXT, Parser, parsers

INPUTS = 2000


def said(data: bytes) -> object:
    if b"!" in data:
        raise ZeroDivisionError
    if b"?" in data:
        raise KeyError
    return data


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Parser]]:
    yield parsers(tmp_path_factory.mktemp("fuzz"))


def test_damaged_inputs_give_values_or_the_parsers_own_errors(known: list[Parser]) -> None:
    inputs = Inputs(known, seed=7)
    account = Account({parser.name: Spent() for parser in known})
    for number in range(INPUTS):
        fuzz.judge(inputs.parser(number), number, inputs.made(number), account)
    assert not account.crashes
    assert not account.slow
    assert all(spent.inputs for spent in account.spent.values())


def test_arbitrary_bytes_give_values_or_the_parsers_own_errors(known: list[Parser]) -> None:
    account = Account()
    for parser in known:
        fuzz.arbitrary(parser, 10, account)
    assert not account.crashes


def test_an_input_is_made_again_from_seed_and_number(known: list[Parser]) -> None:
    one, other = Inputs(known, seed=3), Inputs(known, seed=3)
    numbers = range(0, 300, 7)
    assert [one.made(n) for n in numbers] == [other.made(n) for n in reversed(numbers)][::-1]
    assert one.made(5) != Inputs(known, seed=4).made(5)
    assert max(len(one.made(n)) for n in numbers) <= 1024 * 1024


def test_a_crash_is_what_is_neither_value_nor_refusal() -> None:
    parser = Parser("p", said, (b"a",), 1, TEXT, refuses=(KeyError,))
    account = Account({"p": Spent()})
    for number, data in enumerate([b"a", b"!", b"?", b"!"]):
        fuzz.judge(parser, number, data, account)
    assert account.spent["p"].refused == 1
    assert list(account.crashes.values()) == [[1, 3]]


def test_memory_that_grows_is_told() -> None:
    assert not fuzz.Memory([100 << 20] * 40).grown()
    assert fuzz.Memory([(100 + 2 * n) << 20 for n in range(40)]).grown()

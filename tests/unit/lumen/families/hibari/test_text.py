"""Text before hibari's package reads it: what the package would get wrong or never finish."""

import pytest

from lumen.families.hibari.text import MAX_BLOCK, MAX_RUN, readable


def _unknown(word: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("It is $3.50 or £1, 500 people.", "It is 3 dollars and 50 cents or 1 pound, 500 people."),
        ("€0.99 and $0.00 and $1.5", "99 cents and 0 dollars and 1.5 dollars"),
        ("£20.01, $1,234.56", "20 pounds and 1 penny, 1,234 dollars and 56 cents"),
        ("5$ or 20 €", "5 dollars or 20 euros"),
        ("$3.2 billion and £4m", "$3.2 billion and £4m"),
        ("[read](/red/) it", "[read] (/red/) it"),
        ("1,2,3", "1, 2, 3"),
        ("1,234,567", "1,234,567"),
        ("call 0123456789 or 01234567890", "call 0123456789 or 0 1 2 3 4 5 6 7 8 9 0"),
        ("wait......!!!!!!", "wait...!!!"),
        ("h̷e\u200bl\u00adlo cafe\u0301", "hello caf\u00e9"),
        ("\uff12\uff10 \u0663 \U0001d41b\U0001d428", "20 3 bo"),
        ("π and Ж and 你好", "π and   and   "),
        ("a" * 30, f"{'a' * 24} {'a' * 6}"),
    ],
)
def test_what_the_package_reads_wrongly_is_written_otherwise(written: str, expected: str) -> None:
    """Money, long numbers, commands, marks and scripts arrive as what is to be said."""
    assert readable(written, _unknown) == [expected]


def test_a_long_word_of_the_dictionary_stays_whole() -> None:
    """Only what the network for unknown words would cut off is cut."""
    word = "antidisestablishmentarianism"
    assert readable(word, word.__eq__) == [word]


@pytest.mark.parametrize("run", ["a.b" * 500, "aB" * 500, "[(" * 500, "x" * 1000, "1.5" * 500, "well-" * 300])
def test_nothing_long_stands_without_a_blank(run: str) -> None:
    """The package's time grows with the square of such a run."""
    blocks = readable(run, _unknown)
    assert max(len(part) for block in blocks for part in block.split()) <= MAX_RUN
    assert "".join("".join(blocks).split()) == run.replace(",", "")


def test_a_sentence_without_end_is_read_in_blocks() -> None:
    """Nothing is lost, no block is long, and a clause ends a block where there is one."""
    sentence = "one two three four five six, seven eight " * 100
    blocks = readable(sentence, _unknown)
    assert max(map(len, blocks)) <= MAX_BLOCK + 1
    assert all(block.endswith(",") for block in blocks[:-1])
    assert " ".join(blocks).split() == sentence.split()

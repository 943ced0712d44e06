"""The memory of answers has a size: so many, and none of a long text."""

from unlisted.remembered import remembered


def test_what_was_answered_is_not_worked_out_again_unless_it_is_long() -> None:
    worked_out: list[str] = []

    @remembered(most=2, longest=3)
    def upper(text: str) -> str:
        worked_out.append(text)
        return text.upper()

    for asked, answer, times in (
        ("abc", "ABC", 1),
        ("abc", "ABC", 1),
        ("abcd", "ABCD", 2),
        ("abcd", "ABCD", 3),
        ("b", "B", 4),
        ("c", "C", 5),
        ("abc", "ABC", 6),  # one of three was given up
    ):
        assert upper(asked) == answer
        assert len(worked_out) == times

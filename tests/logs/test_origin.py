"""Who put a message in, where an alias sends it on."""

import pytest

from unlisted.logs.origin import forwarder

OUT = "198.51.100.25"


@pytest.mark.parametrize(
    ("sender", "recipient", "orig_to", "relay_ip", "expected"),
    [
        (
            "host:203.0.113.5",
            "a@gmail.example",
            "ann@ours.example",
            OUT,
            "forward:ann@ours.example",
        ),
        ("host:203.0.113.5", "a@OURS.example", "ann@ours.example", OUT, "host:203.0.113.5"),
        ("host:203.0.113.5", "a@gmail.example", "ann@ours.example", None, "host:203.0.113.5"),
        ("host:203.0.113.5", "a@gmail.example", None, OUT, "host:203.0.113.5"),
        ("host:203.0.113.5", "a@gmail.example", "", OUT, "host:203.0.113.5"),
        ("login:ann", "list@gmail.example", "team@ours.example", OUT, "login:ann"),
        ("script:1000:/x.php", "a@gmail.example", "root@ours.example", OUT, "script:1000:/x.php"),
        (None, "a@gmail.example", "ann@ours.example", OUT, None),
    ],
)
def test_an_alias_to_elsewhere_is_the_sender_of_a_strangers_message(
    sender: str | None,
    recipient: str,
    orig_to: str | None,
    relay_ip: str | None,
    expected: str | None,
) -> None:
    assert forwarder(sender, recipient, orig_to, relay_ip) == expected

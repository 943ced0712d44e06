"""Standard Webhooks signatures: what a receiver takes, and what it must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.config_telling import secrets_of
from unlisted.edge.webhook_signature import TOLERANCE_S, Forged, headers, verify

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NOW = 1_795_392_000.0
BODY = b'{"type":"post.published"}'


def test_it_signs_as_the_specifications_libraries_do() -> None:
    keys = secrets_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.0, b'{"test": 2432232314}')
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert made["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize(
    ("change", "body", "now", "word"),
    [
        ({}, b'{"type":"post.corrected"}', NOW, "no signature"),
        ({"webhook-id": "msg_other"}, BODY, NOW, "no signature"),
        ({"webhook-timestamp": str(int(NOW) + 1)}, BODY, NOW, "no signature"),
        ({}, BODY, NOW + TOLERANCE_S + 1, "too far"),
        ({}, BODY, NOW - TOLERANCE_S - 1, "too far"),
        ({"webhook-timestamp": "soon"}, BODY, NOW, "no number"),
        ({"webhook-signature": "v1,AAAA"}, BODY, NOW, "no signature"),
        ({"webhook-signature": "v2," + "A" * 44}, BODY, NOW, "no signature"),
        ({"webhook-signature": ""}, BODY, NOW, "no signature"),
    ],
    ids=["altered", "another id", "another time", "replayed", "from the future", "no time",
         "no signature of ours", "another version", "unsigned"],
)  # fmt: skip
def test_what_is_forged_altered_or_replayed_is_refused(
    change: dict[str, str], body: bytes, now: float, word: str
) -> None:
    fields = headers((KEY,), "msg_1", NOW, BODY)
    verify((KEY,), fields, BODY, NOW)
    with pytest.raises(Forged, match=word):
        verify((KEY,), {**fields, **change}, body, now)


def test_another_key_does_not_sign_and_while_one_is_replaced_both_do() -> None:
    with pytest.raises(Forged):
        verify((OTHER,), headers((KEY,), "msg_1", NOW, BODY), BODY, NOW)
    both = headers((KEY, OTHER), "msg_1", NOW, BODY)
    verify((KEY,), both, BODY, NOW)
    verify((OTHER,), both, BODY, NOW)


@pytest.mark.parametrize(
    "text", ["", "abc", "whsec_", "whsec_AAAA", "whsec_!", "whsec_" + "A" * 100]
)
def test_a_secret_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        secrets_of(text)


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()
    ),
    st.binary(),
)
def test_any_fields_are_forged_or_nothing_worse(fields: dict[str, str], body: bytes) -> None:
    with pytest.raises(Forged):
        verify((KEY,), fields, body, NOW)


@given(st.binary(max_size=200), st.integers(0, 199), st.integers(1, 255))
def test_one_changed_octet_is_told(body: bytes, place: int, change: int) -> None:
    fields = headers((KEY,), "msg_1", NOW, body)
    verify((KEY,), fields, body, NOW)
    other = bytearray(body or b"x")
    other[place % len(other)] ^= change
    if bytes(other) != body:
        with pytest.raises(Forged):
            verify((KEY,), fields, bytes(other), NOW)

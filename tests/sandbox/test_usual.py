"""What the usual provider takes for a refusal of its address, and for what it does not."""

from __future__ import annotations

import pytest

from unlisted_sandbox.replies import worded
from unlisted_sandbox.usual import blames_address
from unlisted_sandbox.world_sites import Receiver
from unlisted_sandbox.worldfile import shipped

PLACES = {"ip": "127.22.0.1", "zone": "bl.x.example", "helo": "out", "recipient": "a@b.example"}
RECEIVERS = shipped("demo", 1).receivers


def said(wording: str) -> bool:
    reply = worded(wording, **PLACES, domain="b.example", host="mx.b.example")
    return blames_address(reply, PLACES["ip"])


@pytest.mark.parametrize("receiver", [r for r in RECEIVERS if r.wording], ids=lambda r: r.name)
def test_refusals_for_the_list_are_recognised(receiver: Receiver) -> None:
    assert said(receiver.wording)


@pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda r: r.name)
def test_unknown_users_are_not(receiver: Receiver) -> None:
    assert not said(receiver.unknown_wording)

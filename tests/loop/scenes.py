"""Scenes that several transcripts begin with. Texts and names are made up here."""

from __future__ import annotations

from playbook import ADDRESSES, ZONE, Playbook, named, nameless

A, B, C, D = ADDRESSES
SPAM = (
    "Congratulations you were selected for an exclusive loan offer with no questions asked "
    "visit our secure portal today and claim the bonus before midnight reference {n}"
)
NEWS = (
    "The choir meets again on thursday evening in the parish hall please bring your scores and "
    "something for the buffet and tell anna whether you can come to the summer concert week {n}"
)


def listing(pb: Playbook, address: str = A, *, receivers: tuple[str, ...] = ("big.test",)) -> None:
    """The list lists the address, and these receivers refuse it by name."""
    pb.world.listed.add((ZONE, address))
    for receiver in receivers:
        pb.world.refuses[address, receiver] = named(address)


def delisting(pb: Playbook, address: str = A) -> None:
    """The list lets go, and its followers accept again."""
    pb.world.listed.discard((ZONE, address))
    for path in [p for p in pb.world.refuses if p[0] == address]:
        del pb.world.refuses[path]


def episode(pb: Playbook, address: str = A, receiver: str = "big.test") -> str:
    """Somebody's mail meets the listing; the waiting message's id."""
    listing(pb, address, receivers=(receiver,))
    (sender,) = pb.drawn_to(address, prefix=f"first-{address[-1]}-{int(pb.now)}-")
    return pb.send(sender, f"ann@{receiver}")


def hijack(
    pb: Playbook, address: str = A, count: int = 60, sender: str = "", text: str = SPAM
) -> str:
    """A sender whose mail leaves by `address` writes to a harvested list; the sender."""
    sender = sender or pb.drawn_to(address, prefix="thief")[0]
    pb.history(sender, correspondents=(f"aunt-{sender}@home.test",))
    for i in range(count):
        person = f"stranger{i}-{sender}@other{i % 3}.test"
        if i % 5 == 0:
            pb.world.unknown.add(person)
        message = pb.send(sender, person, body=text.format(n=i))
        if i % 15 == 7:
            pb.complain(message)
        pb.wait(10)
    return sender


def culprit(pb: Playbook, address: str = A) -> str:
    """A hijack gets its address listed and is named and held; the sender."""
    sender = hijack(pb, address)
    episode(pb, address)
    return sender


def nameless_block(pb: Playbook, address: str = A, receiver: str = "quiet.test") -> None:
    """The receiver refuses one address and says so, but names no list."""
    pb.world.refuses[address, receiver] = nameless(address)

"""`unlisted` with one mistake: it lets go of time while it waits for a receiver's reply."""

import sys

from unlisted.apps.cli import main
from unlisted.edge.clock_simulated import Hold
from unlisted.edge.smtp_client import Connection

relabel, reply = Hold.relabel, Connection._reply
newest: dict[str, Hold] = {}


def remembered(hold: Hold, label: str) -> None:
    newest[label] = hold
    relabel(hold, label)


async def early(connection: Connection) -> bytes:
    hold = newest[connection.label]
    if not hold.counted:  # its act is over: this is the QUIT of a kept connection
        return await reply(connection)
    hold.close()
    try:
        return await reply(connection)
    finally:
        hold.open()


Hold.relabel = remembered  # type: ignore[method-assign]
Connection._reply = early  # type: ignore[method-assign]
sys.exit(main())

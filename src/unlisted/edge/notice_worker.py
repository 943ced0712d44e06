"""Hands one notice to apprise, in a process of its own: `python -m unlisted.edge.notice_worker`.

Standard input: {"urls", "title", "text", "kind"} as JSON. Standard output: a line "NUMBER ok" or
"NUMBER failed" for each address as it ends. The addresses hold passwords: they come by standard
input, and neither they nor what a service answered is ever printed.
"""

from __future__ import annotations

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

MAX_INPUT = 1 << 20
AT_ONCE = 8


def main() -> int:
    """Reads, tells, prints; 0 unless the input is not understood."""
    logging.disable(logging.CRITICAL)  # its words quote addresses
    try:
        given = json.loads(sys.stdin.buffer.read(MAX_INPUT))
        urls = [str(one) for one in given["urls"]]
        title, text, kind = str(given["title"]), str(given["text"]), str(given["kind"])
    except (ValueError, KeyError, TypeError):
        return 2
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = {pool.submit(_told, url, title, text, kind): i for i, url in enumerate(urls)}
        for one in as_completed(told):
            print(told[one], "ok" if one.result() else "failed", flush=True)
    return 0


def _told(url: str, title: str, text: str, kind: str) -> bool:
    try:
        import apprise

        service = apprise.Apprise()
        if not service.add(url):
            return False
        return bool(service.notify(title=title, body=text, notify_type=apprise.NotifyType(kind)))
    except Exception:  # a plugin of some service: whatever it raises, the notice failed
        return False


if __name__ == "__main__":
    sys.exit(main())

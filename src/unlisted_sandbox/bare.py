"""`bare`: a mail platform that delivers, retries and bounces, and looks at nothing else.

The pool's addresses in turn, the retry schedule of RFC 5321, a notice for every 5yz. It is the floor
of the comparison: what a listing does to mail when nobody reacts.
"""

from __future__ import annotations

from unlisted_sandbox.mta import Mta


class Bare(Mta):
    """Everything is the common MTA's."""

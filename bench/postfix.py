"""A private Postfix on loopback for `./dev bench log`: its own queue, configuration and log.

Started from Debian's package, never the system's instance; every listener and every route is on
127.0.0.0/8. `sites` are the receivers it delivers to, each by a transport of its own, so that the
log names pools.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.harness import DataAbsent

PATIENCE_S = 60.0
DAEMONS = "/usr/lib/postfix/sbin"

MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/mail.log
maillog_file_prefixes = {root}
daemon_directory = {daemons}
command_directory = /usr/sbin
syslog_name = postfix
myhostname = mx1.example.org
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
smtpd_recipient_restrictions = permit_mynetworks, reject
mynetworks = 127.0.0.0/8, 198.51.100.0/24
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_client_connection_count_limit = 0
local_header_rewrite_clients =
enable_long_queue_ids = yes
transport_maps = inline:{{ {routes} }}
alias_maps =
alias_database =
minimal_backoff_time = {retry_s}s
maximal_backoff_time = {retry_s}s
queue_run_delay = {retry_s}s
default_destination_recipient_limit = 1
smtp_tls_security_level = none
smtp_connection_cache_on_demand = no
notify_classes =
default_destination_concurrency_failed_cohort_limit = 1000
mailbox_size_limit = 0
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
POOL = """\
{name} unix - - n - - smtp
  -o syslog_name=postfix/{name}
  -o smtp_bind_address={address}
"""


@dataclass(frozen=True)
class Pool:
    """A transport by its name and the address it leaves from."""

    name: str
    address: str


class Postfix:
    """`routes`: domain to (transport, receiver's port)."""

    def __init__(
        self, root: Path, port: int, pools: list[Pool], routes: dict[str, tuple[str, int]]
    ) -> None:
        self.root, self.port = root, port
        self.log = root / "mail.log"
        self._config = root / "etc"
        if shutil.which("postfix") is None or os.geteuid() != 0:
            raise DataAbsent("bench log starts a Postfix of its own: as root, with the package")
        for folder in (self._config, root / "queue", root / "data"):
            folder.mkdir(mode=0o755)
        os.chown(root / "data", pwd.getpwnam("postfix").pw_uid, 0)
        # Postfix's own users must reach the folder, and it is nobody else's to write in.
        root.chmod(0o755)
        root.parent.chmod(0o755)
        told = ", ".join(
            f"{{ {domain} = {pool}:[127.0.0.1]:{to} }}" for domain, (pool, to) in routes.items()
        )
        main = MAIN.format(root=root, daemons=DAEMONS, routes=told, retry_s=4)
        (self._config / "main.cf").write_text(main)
        master = MASTER.format(port=port) + "".join(
            POOL.format(name=pool.name, address=pool.address) for pool in pools
        )
        (self._config / "master.cf").write_text(master)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._command("start")
        try:
            yield
        finally:
            self._command("stop")

    def sendmail(self, mail_from: str, recipient: str, letter: bytes) -> None:
        """A letter by the local command, as whoever runs the bench."""
        subprocess.run(
            ["/usr/sbin/sendmail", "-C", str(self._config), "-f", mail_from, "-i", recipient],
            input=letter,
            check=True,
            capture_output=True,
        )

    def is_empty(self) -> bool:
        """Whether nothing is queued any more."""
        folders = ("maildrop", "incoming", "active", "deferred", "hold")
        return not any(
            names for folder in folders for _, _, names in os.walk(self.root / "queue" / folder)
        )

    def drain(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until it is."""
        until = time.monotonic() + patience_s
        while not self.is_empty():
            if time.monotonic() > until:
                raise RuntimeError(f"postfix did not deliver everything within {patience_s} s")
            self._flush()
            time.sleep(0.2)

    def _flush(self) -> None:
        subprocess.run(
            ["/usr/sbin/postqueue", "-c", str(self._config), "-f"], capture_output=True, check=False
        )

    def _command(self, what: str) -> None:
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self._config), what],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"postfix {what}: {done.stderr.strip()}")

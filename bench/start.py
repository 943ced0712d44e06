"""How long a person waits: for the help text, and for a service that answers.

`help_cpu_s` is CPU time of the child alone (user and system). `serve_ready_s` is real time from
starting the process to the later of the first 220 on SMTP and the first HTTP 200.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.harness import Figure, Options

TRIALS = 5
PATIENCE_S = 60.0


def run(options: Options) -> list[Figure]:
    help_cpu_s = [cpu_s([sys.executable, "-m", "unlisted", "--help"]) for _ in range(TRIALS)]
    ready_s = [serve_ready_s() for _ in range(TRIALS)]
    return [
        Figure("help_cpu_s", statistics.median(help_cpu_s), TRIALS),
        Figure("serve_ready_s", statistics.median(ready_s), TRIALS),
    ]


def cpu_s(command: list[str]) -> float:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # wait4, not RUSAGE_CHILDREN: exactly this child, whatever else was started before.
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime


def serve_ready_s() -> float:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        config = Path(folder, "unlisted.toml")
        config.write_text(CONFIG.format(state=state), "utf-8")
        command = [sys.executable, "-m", "unlisted", "serve", "--config", str(config)]
        began = time.monotonic()
        with subprocess.Popen(command, cwd=folder) as service:
            try:
                return answered(service, state / "ready.json", began) - began
            finally:
                service.send_signal(signal.SIGTERM)
                try:
                    service.wait(10)
                except subprocess.TimeoutExpired:
                    service.kill()


# Ports are free ones; the service writes the addresses it got into ready.json.
CONFIG = """\
state = "{state}"
[smtp]
listen = ["127.0.0.1:0"]
[http]
public = "127.0.0.1:0"
operator = "127.0.0.1:0"
"""


def answered(service: "subprocess.Popen[bytes]", ready: Path, began: float) -> float:
    while not ready.exists():
        if service.poll() is not None:
            raise RuntimeError(f"unlisted serve ended with {service.returncode}")
        if time.monotonic() - began > PATIENCE_S:
            raise RuntimeError(f"unlisted serve was not ready within {PATIENCE_S:g} s")
        time.sleep(0.002)
    where = json.loads(ready.read_text("utf-8"))
    host, _, port = where["smtp"][0].rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S) as smtp:
        greeting = smtp.recv(512)
    if not greeting.startswith(b"220"):
        raise RuntimeError(f"SMTP greeted with {greeting!r}")
    # No proxy: the service is on loopback, whatever this machine's environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(where["public"], timeout=PATIENCE_S) as page:
        if page.status != 200:
            raise RuntimeError(f"HTTP answered {page.status}")
    return time.monotonic()

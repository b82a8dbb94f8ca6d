"""Wait until the peers a program needs can be reached, and say what it waits for. Python 3.6.

TensorFlow waits for them as well, but silently and for ever; on a cluster names appear only once a pod has an address.
How long is bounded by the job: deadlines.startSeconds ends it, naming the task that never came.
"""

import socket
import sys
import time
from typing import List

from .job_spec import JobSpec, Task, address, awaited, name

CONNECT_SECONDS = 2.0
LONGEST_PAUSE = 2.0


def wait(job: JobSpec, task: Task) -> None:
    """Return when every built-in server accepts connections and the leading task's name resolves."""
    servers, names = awaited(job, task)
    _each(job, servers, True)
    _each(job, names, False)


def _each(job: JobSpec, peers: List[Task], connect: bool) -> None:
    for number, peer in enumerate(peers):
        began = time.monotonic()
        pause, say_at = 0.05, began + 2.0
        while True:
            problem = _problem(address(job, peer), connect)
            now = time.monotonic()
            if not problem:
                if say_at > began + 2.0:
                    _say("%s answers after %d s" % (name(peer), now - began))
                break
            if now >= say_at:
                done = " (%d of %d peers answer)" % (number, len(peers)) if len(peers) > 1 else ""
                _say("waiting for %s: %s, %d s%s" % (name(peer), problem, now - began, done))
                say_at = now + max(5.0, min(60.0, now - began))
            time.sleep(pause)
            pause = min(pause * 1.6, LONGEST_PAUSE)


def _problem(where: str, connect: bool) -> str:
    """Why this address cannot be reached; "" when it can."""
    host, _, port = where.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return "name not found"
    if not connect:
        return ""
    problem = ""
    for family, kind, protocol, _, target in found:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(CONNECT_SECONDS)
            try:
                connection.connect(target)
                return ""
            except socket.timeout:
                problem = "no answer"
            except OSError as error:
                problem = (error.strerror or str(error)).lower()
    return problem


def _say(text: str) -> None:
    print("tensorflow-job: " + text, file=sys.stderr, flush=True)

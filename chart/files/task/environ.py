"""The environment of a program or server: computed by the job, set in the container, or filled in. Python 3.6."""

import os
import pwd
from typing import TYPE_CHECKING, Dict, List, Mapping, Tuple

from .job_spec import (
    GRPC_OPTIONS,
    IDENTITY,
    LEAST_KEEPALIVE_MS,
    Task,
    environment,
    grpc_options,
    keepalive_ms,
)

if TYPE_CHECKING:
    from .contracts import JobSpec

NAMELESS = "tensorflow"  # the name of a user that the image's /etc/passwd does not have
OPTIONS = "TF_GRPC_DEFAULT_OPTIONS"


def merge(
    job: "JobSpec", task: Task, given: Mapping[str, str], own: Mapping[str, str]
) -> Tuple[Dict[str, str], List[str]]:
    """The task's variables, and the names of those of the container (`given`) that are not used.

    A task that took its identity from elsewhere would train beside the job, or save where nobody looks. All else that
    is computed only fills what is absent, gRPC's options one by one. `own` is more of its identity.
    """
    computed = environment(job, task)
    computed.update(own)
    environ = dict(computed)
    environ.update(given)
    refused = [name for name in IDENTITY + tuple(own) if name in computed and environ[name] != computed[name]]
    environ.update({name: computed[name] for name in refused})
    if environ[OPTIONS]:  # an empty text stays: without any
        environ[OPTIONS] = _filled(environ[OPTIONS])
    return environ, refused


def pings_too_often(job: "JobSpec", environ: Mapping[str, str]) -> str:
    """What comes of pings that the container sets closer than servers accept; empty if they are not."""
    every = keepalive_ms(environ[OPTIONS])
    if not 0 < every < LEAST_KEEPALIVE_MS or job["strategy"] == "MultiWorkerMirrored":  # which was not disturbed
        return ""
    return (
        "%s pings every %g s. TensorFlow's servers close connections that are silent and pinged more often than every "
        "%g s, so calls fail or are made twice. Remove grpc.keepalive_time_ms"
        % (OPTIONS, every / 1000, LEAST_KEEPALIVE_MS / 1000)
    )


def name_user(environ: Dict[str, str]) -> None:
    """USER and LOGNAME where they are absent: getpass.getuser() fails for a user id that has no name."""
    if "USER" in environ and "LOGNAME" in environ:
        return
    known = environ.get("USER") or environ.get("LOGNAME")
    if not known:
        try:
            known = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            known = NAMELESS
    environ.setdefault("USER", known)
    environ.setdefault("LOGNAME", known)


def _filled(options: str) -> str:
    """The user's gRPC options, and those of the job that they do not name."""
    named = {option.partition("=")[0] for option in options.split(",")}
    missing = {name: value for name, value in GRPC_OPTIONS.items() if name not in named}
    return ",".join(filter(None, (options, grpc_options(missing))))


def is_coerced() -> bool:
    """Whether LC_CTYPE is of this Python, which sets it for itself in a container without a locale (PEP 538).

    The C library of the program's own image may not know that locale.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read().split(b"\0")
    except OSError:
        return False
    return not any(variable.startswith(b"LC_CTYPE=") for variable in given)

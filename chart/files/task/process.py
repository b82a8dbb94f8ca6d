"""PID 1 of a training container: start one program, forward signals, reap, and return how it ended. Python 3.6.

A process that is PID 1 gets no default signal actions from the kernel and inherits every orphan. So every signal is
caught, and its number read from a pipe where none can be missed. (sigtimedwait would do, but not on macOS.)
"""

import contextlib
import errno
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, NamedTuple, NoReturn, Optional, Set

from .log import log
from .pipelines import Stopping, living, own_session, shows_this_namespace

# Only types: this process stays small while the program runs.
if TYPE_CHECKING:
    from .output import Output
    from .progress import ProgressServer
    from .usage import Usage

# Left alone: what cannot be caught, the faults of this process itself, and job control stops (as in tini).
# And SIGPIPE, which Python ignores: it comes when a client of the progress server breaks off, not for the program.
_NOT_CAUGHT = {
    signal.SIGPIPE,
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
    signal.SIGTTIN,
    signal.SIGTTOU,
}
_CAUGHT = set(range(1, 32)) - _NOT_CAUGHT
_TERMINATING = (signal.SIGTERM, signal.SIGINT)

# How often a local task checks that `tfconfig run` still exists.
PARENT_SECONDS = 1.0

# How often to look whether what the program started has ended, too. Its end may be another process's to learn.
GROUP_SECONDS = 0.1

_pipe = (-1, -1)
_arrived: List[int] = []


class Prepared(NamedTuple):
    """A program to execute, and its name as messages show it: as it was written, since a variable may be a secret."""

    argv: List[str]
    environ: Mapping[str, str]
    shown: str


class Ended(NamedTuple):
    """How the program ended: its exit status as in a shell (128 + n for signal n), and whether it was asked to end."""

    code: int
    stopped: bool


def catch_signals() -> None:
    """To be called first: from here on signals wait until `pause` or `run` takes them."""
    global _pipe  # noqa: PLW0603 - signal handling belongs to the process, not to an object
    _pipe = os.pipe()
    for end in _pipe:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(_pipe[1])
    for number in _CAUGHT:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TERMINATING)  # since __main__


def pause(seconds: Optional[float] = None, parent: Optional[int] = None) -> bool:
    """Wait, for ever without `seconds`; True at once when this process is asked to end or its parent is gone."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        taken = _take(until, parent)
        if taken in _TERMINATING:
            return True
        if taken == signal.SIGCHLD:
            _reap()
        if until is not None and time.monotonic() >= until:
            return False


def run(
    prepare: Callable[[], Prepared],
    grace: float,
    parent: Optional[int] = None,
    server: "Optional[ProgressServer]" = None,
    output: "Optional[Output]" = None,
    usage: "Optional[Usage]" = None,
) -> Ended:
    """Run a program to its end as the leader of its own process group, and leave none of the group behind.

    `prepare` makes its command and environment. It runs in the new process, so that this one stays free for signals,
    and small. When asked to end, the signal goes to the group, and `grace` seconds later SIGKILL; at once where `grace`
    is 0. The whole group has the grace: a shell ends at once, before the program that it started. So have groups that
    its processes made, as `timeout` and shells with job control do. In a pipe the readers come last. Meanwhile `server`
    answers, `usage` looks now and then, and the program prints into `output`. Exit status 127: there is no such
    program; 126: it cannot be executed.
    """
    child = _spawn(prepare, output)
    stopped = killed = False
    kill_at: Optional[float] = None
    status: Optional[int] = None
    stopping = Stopping()
    while status is None or (stopped and not killed and _groups(child, output)):
        look = status is not None or stopping
        taken = _take(time.monotonic() + GROUP_SECONDS if look else kill_at, parent, server, usage)
        if taken == signal.SIGCHLD:
            reaped = _reap()
            status = reaped.get(child, status)
            if output:
                output.again(list(reaped))
        elif taken in _TERMINATING:
            stopped = True
            parent = None  # from now on _take would return SIGTERM for a lost parent each time, and no other signal
            if kill_at is None:
                kill_at = time.monotonic() + grace
            if grace > 0:
                stopping.begin(_groups(child, output), taken)
        elif taken is not None:
            _signal_group(child, taken)
        if stopping:
            stopping.go_on(_groups(child, output))
        if kill_at is not None and time.monotonic() >= kill_at:
            _signal_group(child, signal.SIGKILL)
            killed = True
            kill_at = time.monotonic() + 1.0
    _signal_group(child, signal.SIGKILL)  # what a program that ended by itself left behind
    if output:
        output.finish()
    return Ended(_code(status), stopped)


def _take(
    until: Optional[float],
    parent: Optional[int],
    server: "Optional[ProgressServer]" = None,
    usage: "Optional[Usage]" = None,
) -> Optional[int]:
    """The next signal; None at `until`. The end of the parent counts as SIGTERM."""
    while not _arrived:
        if parent is not None and os.getppid() != parent:
            return signal.SIGTERM
        wait = None if until is None else max(0.0, until - time.monotonic())
        if parent is not None:
            wait = PARENT_SECONDS if wait is None else min(wait, PARENT_SECONDS)
        if usage and usage.known:
            usage.look()
            wait = usage.wait() if wait is None else min(wait, usage.wait())
        ready = select.select([_pipe[0]] + ([server] if server else []), [], [], wait)[0]
        if server and server in ready:
            server.answer()
        if _pipe[0] in ready:
            _arrived.extend(os.read(_pipe[0], 4096))
        elif until is not None and time.monotonic() >= until:
            return None
    return _arrived.pop(0)


def _spawn(prepare: Callable[[], Prepared], output: "Optional[Output]") -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _CAUGHT)
    child = os.fork()
    if child == 0:
        _become(prepare, output)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _CAUGHT)
    with contextlib.suppress(OSError):  # the child was faster, and has executed the program or ended
        os.setpgid(child, child)  # both processes do it, so that it is done before either continues
    return child


def _become(prepare: Callable[[], Prepared], output: "Optional[Output]") -> NoReturn:
    code, prepared = 126, Prepared([""], {}, "")
    try:
        os.setpgid(0, 0)
        if output:
            output.attach()
        signal.set_wakeup_fd(-1)
        for number in _CAUGHT | {signal.SIGPIPE}:  # Python ignores SIGPIPE and SIGXFSZ; exec would leave them so
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CAUGHT)
        prepared = prepare()
        os.execvpe(prepared.argv[0], prepared.argv, dict(prepared.environ))
    except OSError as error:
        from .unstartable import explanation

        code = 127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126
        log("cannot run %r: %s" % (prepared.shown, error.strerror))
        program = prepared.argv[0]
        why = explanation(program, prepared.environ, error.errno) if program == prepared.shown else ""
        if why:
            log(why)
    except ValueError as error:  # a NUL in the command or the environment
        log("cannot run %r: %s" % (prepared.shown, error))
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap() -> Mapping[int, int]:
    """The wait status of every child that has ended, orphans included. SIGCHLD comes once for many ends."""
    ended: Dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _groups(child: int, output: "Optional[Output]") -> Set[int]:
    """The program's own process group and those that its processes made, as far as they live."""
    groups = {child} if _group_lives(child) else set()
    own = {os.getpgid(0), output.group if output else 0}
    return groups | {group for _, group in own_session() if group not in own}


def _group_lives(child: int) -> bool:
    try:
        os.killpg(child, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # those that are left changed their user
        pass
    # In a local job orphans are another process's children, which may take its time to reap those that have ended.
    return os.getpid() == 1 or not shows_this_namespace() or any(group == child for _, group, _ in living())


def _signal_group(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # none left, or only those that changed their user
        os.killpg(child, number)

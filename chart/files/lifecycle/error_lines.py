"""The line of a program's output that says why it failed: its exception, or the last line that means something. Pure.

Behind that line come dozens of others: logs of TensorFlow's C++, errors that Python ignores while it ends, progress
bars that were not finished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..task.log import OWN
from ..task.messages import WORKED
from .drawn import MAX_LINE, shown

MAX_MESSAGE_LINES = 60  # of an exception; other output that long after it: somebody has handled it
_TRACEBACK = "Traceback (most recent call last):"
_CHAINED = re.compile(r"During handling of the above|The above exception was the direct cause")
_IGNORED = "Exception ignored "
_ERROR = re.compile(r"[A-Za-z_][\w.]*(: .*|:)?")
_SYNTAX = re.compile(r"(SyntaxError|IndentationError|TabError): ")
_GROUP = re.compile(r"[ |+]*\+ Exception Group " + re.escape(_TRACEBACK))
# Raised by a program because another one failed, which has said why.
_OF_CHILD = re.compile(r"[\w.]*\b(CalledProcessError|ChildFailedError|ProcessExitedException):")
_IN_GROUP = re.compile(r"[ |+-]*\| ([A-Za-z_][\w.]*: .*)")
_OF_GROUP = re.compile(r"\(\d+ sub-exceptions?\)$")
# What ends a process without an exception: failed checks of TensorFlow and absl, the C++ library, Python, a shell.
_FATAL = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<tensorflow>F .*)|(?P<absl>F(?:\d{4}){1,2} \d\d:\d\d:\d\d.*)|"
    r"(?P<other>FATAL.*|Fatal Python error: .*|terminate called .*|.*\b(Segmentation fault|Illegal instruction|"
    r"Bus error|Floating point exception)\b.*|(malloc|free|realloc|munmap_chunk|corrupted|double free)\b.*: \S.*|"
    r"\*\*\* stack smashing detected \*\*\*.*|tensorflow-job: cannot .*)"
)
_ABSL_PLACE = re.compile(r"F(?:\d{4}){1,2} \d\d:\d\d:\d+\.\d+ +\d+ ")
# Lines that say nothing of why a program ended, although they come last: logs of TensorFlow's C++ and of absl, what a
# task adds, warnings, ruled lines, and what Python could not raise while it ended.
_NOISE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |[IWE]\d{4} \d\d:\d\d:\d\d|tensorflow-job: (?!cannot )|\s|\[\[\{\{|"
    r"Additional GRPC|:?\{\"created\"|Exception ignored |(INFO|WARNING|ERROR):(tensorflow|absl):|"
    r"WARNING: All log messages before absl|\*\*\* Check failure stack trace|Extension modules: |"
    r"(Current thread|Thread) 0x[0-9a-f]+|Aborted|.*: line \d+: +\d+ Aborted |@ +0x[0-9a-f]+|PC: @|"
    r"[-=_*#~+|\u2500-\u257f]{4,}$|\S+:\d+: [\w.]*Warning: |$"
)
# Bars of Keras 2 and 3, and of tqdm.
_BAR = re.compile(r"\s*(Epoch \d+/\d+|\d+/(\d+|Unknown)\s+(\[|[━─]|\d+m?s)|(.*: *)?\d+%\|)")
# All of such a bar: in its line, if it is not over, stands what was printed next.
_WHOLE_BAR = re.compile(
    r"\s*\d+/(?:\d+|Unknown)(?: \[[=>.]*\]| [━─]+)?(?:(?: -)? (?:ETA: )?[\d:]+(?:us|ms|s)?(?:/(?:step|epoch))?"
    r"| - [\w/.-]+: (?:-?\d+\.\d{4}(?:e[-+]\d\d)?|-?\d+|nan|inf))+|.*?\d{1,3}%\|[^|]*\| *\d+/\d+ \[[^\]]*\]"
)
_CONTINUES_BELOW = re.compile(
    r"(Graph execution error|in user code|root error\(s\) found\.?):?$|Exception encountered|objects could not be"
)
_PLACE = re.compile(r"\s*File \".*, line \d+")
_BELOW = re.compile(  # lines of TensorFlow's and Keras' messages that only say where
    r"(Detected at node|Node: |\d+ root error|Stack trace|<stack traces|File \"|\[\[|\(\d+\) .*:\s*$|"
    r"\d+ successful operations|\d+ derived errors|Original stack|Call arguments|Arguments received|•|\^|~|$)"
)


class ErrorLine(NamedTuple):
    """A line, whether it surely is the reason of the end, and where the text begins that belongs to it."""

    text: str
    sure: bool
    start: int


def last_line(text: str) -> str:
    """What it ended with, or the last line that means something; "" where there is none."""
    return find(text.rstrip().split("\n")).text


def find(lines: Sequence[str]) -> ErrorLine:
    """The line that says why a program failed, in the last lines that it printed."""
    lines = [_without_bar(shown(_drawn_last(line), 4 * MAX_LINE)) for line in lines]
    traceback, fatal = last_traceback(lines), _last_fatal(lines)
    last = _last_meaningful(lines)
    if traceback:
        start, end = traceback
        if _OF_CHILD.match(lines[end]):
            of_child = find(lines[:start])
            if of_child.sure:
                return of_child
            if start and _meaningful(lines[start - 1]):  # no Python: `cp: cannot stat '/data'`
                said = _short(lines[start - 1].strip(), MAX_LINE // 2)
                return ErrorLine(f"{_short(lines[end], MAX_LINE // 2)} … {said}", True, start)
        rest = [line for line in _without_ignored(lines[end + 1 :]) if _meaningful(line) and not _FATAL.match(line)]
        text = _exception(lines[start : end + 1], lines[end + 1 :])
        if not rest or (_continues_below(lines[end]) and len(rest) <= MAX_MESSAGE_LINES):
            return ErrorLine(_short(text), True, start)
        # Lines of its own message, or of a program that went on: both are shown.
        if len(rest) <= MAX_MESSAGE_LINES and fatal is None:
            return ErrorLine(f"{_short(text, MAX_LINE // 2)} … {_short(rest[-1].strip(), MAX_LINE // 2)}", False, start)
    if fatal is not None and not any(map(_meaningful, lines[_end_of_fatal(lines, fatal) :])):
        return ErrorLine(_short(_fatal_text(lines, fatal)), True, fatal)
    return ErrorLine(_short(last), False, max(0, len(lines) - MAX_MESSAGE_LINES))


def _drawn_last(line: str) -> str:
    """What was written over the rest of the line, which may end with what stood there."""
    return line.rstrip("\r").rpartition("\r")[2]


def _without_bar(line: str) -> str:
    """What was printed behind a bar that is not over; any other line as it is."""
    bar = _WHOLE_BAR.match(line) if "/" in line else None
    rest = line[bar.end() :] if bar else ""
    return rest if re.match(r"[^\s/:.-].*[A-Za-z]{2}", rest) else line


def last_traceback(lines: Sequence[str]) -> tuple[int, int] | None:
    """Where the last traceback begins and where its error is, of those that Python raised."""
    for start in range(len(lines) - 1, -1, -1):
        if _SYNTAX.match(lines[start]) and start and lines[start - 1].startswith("    "):
            return max(0, start - 3), start
        if _GROUP.match(lines[start]):
            inside = range(start + 1, len(lines))
            error_at = next((at for at in inside if _IN_GROUP.fullmatch(lines[at])), None)
            return (start, error_at) if error_at is not None else None
        if not _begins_traceback(lines, start) or (start and lines[start - 1].startswith(_IGNORED)):
            continue
        for end in range(start + 1, len(lines)):
            if lines[end] and not lines[end][0].isspace():
                if _ERROR.fullmatch(lines[end]):
                    return start, end
                if not is_noise(lines[end]):  # another thread's, in C++
                    break  # other output in between: somebody else's
    return None


def _begins_traceback(lines: Sequence[str], at: int) -> bool:
    """Whether it is the head of a traceback, maybe behind or over a bar that the exception left unfinished."""
    if lines[at] == _TRACEBACK:
        return True
    return _TRACEBACK in lines[at] and at + 1 < len(lines) and lines[at + 1].startswith('  File "')


def chain_start(lines: Sequence[str], start: int) -> int:
    """Where the first traceback begins of those that led to the one at `start`."""
    while start:
        before = next((at for at in range(start - 1, -1, -1) if lines[at].strip()), 0)
        if not _CHAINED.match(lines[before]):
            break
        traceback = last_traceback(lines[:before])
        if traceback is None:
            break
        start = traceback[0]
    return start


def is_noise(line: str) -> bool:
    """Whether a line, as shown, says nothing of why a program ended."""
    return bool(_NOISE.match(line))


def _meaningful(line: str) -> bool:
    return not (_NOISE.match(line) or _BAR.match(line) or line.endswith(WORKED))


def _exception(head: Sequence[str], rest: Sequence[str]) -> str:
    """The error of a traceback on one line; `rest`: what comes after it."""
    line = head[-1]
    if _GROUP.match(head[0]):
        name = _IN_GROUP.fullmatch(line)
        raised = [match[1] for text in rest if (match := _IN_GROUP.fullmatch(text))]
        inner = next((text for text in raised if not _OF_GROUP.search(text)), "")
        return f"{name[1] if name else line}: {inner}".rstrip(": ")
    if not _continues_below(line):
        return line
    message = line.partition(":")[2]
    below = [text.strip() for text in _without_places(rest)]
    below = [text for text in below if not (_BELOW.match(text) or _NOISE.match(text))]
    if "in user code" in message or "root error" in message:
        raised = [text for text in below if re.match(r"[A-Za-z_][\w.]*(Error|Exception): |\(0\) ", text)]
        below = raised[:1] if "root error" in message else raised[-1:]
    return f"{line} {below[0]}" if below else line


def _without_places(lines: Sequence[str]) -> list[str]:
    """The lines without the code that TensorFlow 2.12 and older show below each place of a stack."""
    return [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if not (_PLACE.match(before) and _indent(line) > _indent(before))
    ]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _continues_below(line: str) -> bool:
    """Whether the lines after that of an exception say more than it."""
    return line.endswith(":") or bool(_CONTINUES_BELOW.search(line))


def _last_fatal(lines: Sequence[str]) -> int | None:
    fatal = [at for at, line in enumerate(lines) if _FATAL.fullmatch(line)]
    if not fatal:
        return None
    last = fatal[-1]
    # `Fatal Python error: Aborted`, and what a shell says, come after the line that tells why.
    causes = [at for at in fatal if at >= last - MAX_MESSAGE_LINES and not re.search("Aborted|core dumped", lines[at])]
    return causes[-1] if causes else last


def _fatal_text(lines: Sequence[str], at: int) -> str:
    match = _FATAL.fullmatch(lines[at])
    assert match
    text = match["tensorflow"] or match["other"] or _ABSL_PLACE.sub("F ", lines[at])
    below = lines[at + 1].strip() if at + 1 < len(lines) else ""
    continues = text.rstrip().endswith(":") or (text.startswith("terminate called") and below.startswith("what()"))
    return f"{text} {below}" if continues and below else text.removeprefix(OWN)


def _end_of_fatal(lines: Sequence[str], at: int) -> int:
    """The line after those that belong to it: stacks of threads, and what absl says of the flags."""
    if lines[at].startswith("FATAL Flags"):
        return len(lines)
    end = at + 1
    while end < len(lines) and (
        not _meaningful(lines[end]) or lines[end].startswith("what()") or _FATAL.match(lines[end])
    ):
        end += 1
    if lines[at].startswith(OWN):  # a second line explains it
        return len(lines)
    return end


def _last_meaningful(lines: Sequence[str]) -> str:
    kept = _without_ignored(lines)
    for is_wanted in (_meaningful, lambda line: line.strip() and not line.endswith(WORKED) and not _BAR.match(line)):
        last = next((line for line in reversed(kept) if is_wanted(line)), None)
        if last is not None:
            return last.strip()
    return ""


def _without_ignored(lines: Sequence[str]) -> list[str]:
    """The lines without errors that Python ignored while it ended, which have a traceback too."""
    kept: list[str] = []
    ignored = False
    for line in lines:
        if line.startswith(_IGNORED):
            ignored = True
        elif ignored and line and line != _TRACEBACK and not line[0].isspace():
            ignored = False
        elif not ignored:
            kept.append(line)
    return kept


def _short(text: str, longest: int = MAX_LINE) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

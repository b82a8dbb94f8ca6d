"""`python -m bench.readings [COUNT] [SEED]`: values files as the tool, Helm 3 and Helm 4 read them.

Generated files with separators, directives, encodings, comments and strings that look like any of them go through all
three (go/readings has both Helms). None may be accepted by the tool unless all read it alike.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tfconfig.values.both_helms import read
from tfconfig.values.helm_yaml import plain

COUNT = 100_000
SOURCE = Path(__file__).parent / "go" / "readings"
SEPARATORS = (
    *("---", "---#", "---# x", "--- # x", "---\t# x", "---# x: y", "---#:", "--- x", "--- {a: 1}", "--- |", "---x: 1"),
    *("...", "... # x", "---\xa0", "---\xa0# x", "---\x85# x", "----", " ---", "---\ufeff", "---\u2028# x", "--- &x"),
    *("%YAML 1.1", "%YAML 1.2", "%TAG ! tag:x,2000:", "\ufeff---", "\ufeff", "--- !!map", "---\r# x", "--- 'a': 1"),
)
LINES = (
    *("a: 1", "b: 2", "worker:", "  gpus: 64", "  replicas: 2", "a: {b: 1}", "a: [1, 2]", "# x", "", " ", "  - 1"),
    *("a: |", "a: >-", "a: |+", "  text", "   more", "a: 'x", "y'", 'b: "x', 'y"', "a: {b: 1,", "c: 2}", "? a", ": 1"),
    *("a: &x {b: 1}", "c: *x", "<<: *x", "d: {<<: *x, e: 1}", "true: 1", "yes: 2", "1: x", "1.0: y", "'1': z", "~: 1"),
    *("a: # x", "a: 1 # x", "a: 1# x", "# a: 1", "a: 0o10", "a: 010", "a: 1:30", "a: !!str 1", "!!binary a: b", "a:"),
    *("a: \x85", "a: \u2028b", "a: \u2d2d\u2d20", "\u2d2d\u2d23", "\u0d0a\u0a0d: 1", "a: \t1", "\ta: 1", "a: 'é'"),
)
ENDS = ("\n",) * 12 + ("\r\n", "\r", "\x85", "\u2028", "")
ENCODINGS = ("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1")


def documents(count: int, seed: int) -> Iterator[bytes]:
    """Values files, the same for the same seed."""
    choose = random.Random(seed)
    for _ in range(count):
        end = choose.choice(ENDS) or "\n"
        text = ""
        for _ in range(choose.randint(1, 9)):
            lines = SEPARATORS if choose.random() < 0.3 else LINES
            text += choose.choice(lines) + (choose.choice(ENDS) if choose.random() < 0.05 else end)
        if choose.random() < 0.1:
            text = text.rstrip("\r\n")
        encoding = choose.choice(ENCODINGS)
        data = text.encode(encoding, errors="replace")
        mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
        yield mark + data


def wrong(data: bytes, helm3: Any, helm4: Any) -> str:
    """What is wrong about the tool's reading of a file; empty: nothing. None: a Helm refuses the file."""
    document = read(data, "values.yaml")
    if document.diagnostics:
        return ""
    for name, theirs in (("Helm 3", helm3), ("Helm 4", helm4)):
        if theirs is None:
            return f"{name} refuses it"
        if canonical(theirs) != canonical(plain(document.root)):
            return f"{name} reads {theirs}, the tool {plain(document.root)}"
    return ""


def canonical(value: Any) -> str:
    """Values as text that is the same for the same values; to Helm 1 and 1.0 are."""
    return json.dumps(json.loads(json.dumps(value), parse_int=float), sort_keys=True)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe
    return pipe


def build(folder: Path) -> Path:
    """Build the program that reads as both Helms do."""
    program = folder / "readings"
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(program), "."]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    subprocess.run(["go", "build", *flags], cwd=SOURCE, env=environment, check=True)
    return program


def main(arguments: Sequence[str]) -> int:
    """Compare the readings of generated files; 1 when the tool accepts one that it should not."""
    count, seed = [int(text) for text in arguments] + [COUNT, 1][len(arguments) :]
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helms:
            stdin, stdout = _pipe(helms.stdin), _pipe(helms.stdout)
            for data in documents(count, seed):
                stdin.write(b"%d\n%s" % (len(data), data))
                stdin.flush()
                helm3, helm4 = json.loads(stdout.readline())
                if problem := wrong(data, helm3, helm4):
                    print(f"{data!r}: {problem}")
                alike = helm3 is not None and helm4 is not None and canonical(helm3) == canonical(helm4)
                totals["read differently by the Helms"] += canonical(helm3) != canonical(helm4)
                totals["accepted"] += not (refused := bool(read(data, "values.yaml").diagnostics))
                totals["read alike by both Helms, but refused"] += alike and refused
                totals["accepted wrongly"] += bool(problem)
            stdin.close()
    print(f"{count} files: " + ", ".join(f"{number} {name}" for name, number in totals.items()))
    return int(totals["accepted wrongly"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How many diagnostics are looked for: a file with more has one cause, and finding all of them would take minutes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tfconfig.diagnostics import Diagnostic, Origin

RULE = "TFC008"
MAX_DIAGNOSTICS = 1000  # of one source: the chart's schema, a rule, a policy, the comments


def first(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The first diagnostics of one source, and where there are more, an error in place of the others."""
    kept = list(islice(diagnostics, MAX_DIAGNOSTICS + 1))
    if len(kept) > MAX_DIAGNOSTICS:
        next_ = kept.pop()
        origin = Origin(next_.file, next_.line, next_.column, next_.end_line, next_.end_column)
        message = f"more than {MAX_DIAGNOSTICS} errors of this kind; from here on they are not reported"
        kept.append(Diagnostic.at(origin, RULE, message, "correct those above first"))
    return kept

"""What became of a manifest: one item for each field, and for what nobody wrote but what is different here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tfconfig import terminal
from tfconfig.convert.fields import Field, Path
from tfconfig.diagnostics import dotted

CONVERTED, IGNORED, NOTE = "converted", "ignored", "note"
DIFFERENT, LOST, MISSING = "different", "lost", "missing"
# Kind -> the heading of its section in the text, in the order of sections: what matters most stands last.
_HEADINGS = {
    IGNORED: "Without effect on the job",
    CONVERTED: "Converted",
    NOTE: "As for every job here",
    DIFFERENT: "Different here",
    LOST: "Not carried over",
    MISSING: "To be filled in or decided",
}


@dataclass(frozen=True)
class Item:
    """What became of one field, or a difference that no single field makes (`source` is then empty)."""

    kind: str
    source: str = ""
    line: int = 0
    target: str = ""
    message: str = ""
    fix: str = ""


@dataclass
class Report:
    """The items of one job."""

    items: list[Item] = field(default_factory=list)
    accounted: set[Path] = field(default_factory=set)  # fields, each with all that is below it

    def _add(
        self, kind: str, source: Field | None, target: Path | str, message: str, fix: str, whole: bool = True
    ) -> None:
        if source is not None and whole:
            self.accounted.add(source.path)
        shown = target if isinstance(target, str) else dotted(target)
        item = Item(kind, source.shown if source else "", source.line if source else 0, shown, message, fix)
        if item not in self.items:
            self.items.append(item)

    def converted(self, source: Field, target: Path | str, message: str = "") -> None:
        """The field became this value."""
        self._add(CONVERTED, source, target, message, "")

    def ignored(self, source: Field, message: str) -> None:
        """The field has no meaning for a job that is started anew, or had none before."""
        self._add(IGNORED, source, "", message, "")

    def note(self, target: Path | str, message: str, fix: str = "") -> None:
        """What is different for every job, whatever its manifest says."""
        self._add(NOTE, None, target, message, fix)

    def different(
        self, source: Field | None, target: Path | str, message: str, fix: str = "", whole: bool = True
    ) -> None:
        """What the field asks for is done here in another way. `whole`: nothing more is to be said of what is in it."""
        self._add(DIFFERENT, source, target, message, fix, whole)

    def lost(self, source: Field, message: str, fix: str = "") -> None:
        """Nothing here does what the field asks for."""
        self._add(LOST, source, "", message, fix)

    def missing(self, source: Field | None, target: Path | str, message: str, fix: str, whole: bool = True) -> None:
        """The values do not work until somebody fills this in or decides."""
        self._add(MISSING, source, target, message, fix, whole)

    def of(self, kind: str) -> list[Item]:
        """The items of a kind, in the order of the manifest; what has no place stands last."""
        return sorted((item for item in self.items if item.kind == kind), key=lambda item: item.line or 1 << 30)

    def account_for_the_rest(self, root: Field) -> None:
        """Report every field that no rule knows as lost."""
        for leaf in self._unaccounted(root):
            self.lost(
                leaf, "unknown to tfconfig convert", "if the job needs it, find its value in the chart's README.md"
            )

    def _unaccounted(self, at: Field) -> Iterator[Field]:
        if at.path in self.accounted:
            return
        if isinstance(at.node.value, (dict, list)):
            for child in at.children():
                yield from self._unaccounted(child)
        else:
            yield at

    def __str__(self) -> str:
        lines: list[str] = []
        for kind, heading in _HEADINGS.items():
            if items := self.of(kind):
                lines += ["", f"{heading}:", *_section(items)]
        return "\n".join(lines[1:])

    def document(self) -> list[dict[str, Any]]:
        """The items as JSON has them."""
        return [asdict(item) for kind in _HEADINGS for item in self.of(kind)]


def _section(items: list[Item]) -> list[str]:
    lines: list[str] = []
    for item in items:
        place = f"  line {item.line}: " if item.line else "  "
        arrow = f"{item.source} -> {item.target}" if item.source and item.target else item.source or item.target
        text = "; ".join(part for part in (item.message, item.fix) if part)
        lines.append(place + terminal.visible(f"{arrow}: {text}" if arrow and text else arrow or text))
    return lines


def summary(report: Report) -> str:
    """How many items of each kind, in a line."""
    counts = [
        (len(report.of(CONVERTED)), "converted"),
        (len(report.of(DIFFERENT)), "different"),
        (len(report.of(LOST)), "not carried over"),
        (len(report.of(MISSING)), "to be filled in or decided"),
    ]
    return ", ".join(f"{count} {what}" for count, what in counts if count)

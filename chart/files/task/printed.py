"""How far a program is, by what it prints. Pure; Python 3.6.

Known without a word of configuration: the bars of Keras 2 and 3, `step 100 of 5000: loss 0.3` in many spellings, the
logs of Estimators and sessions, tqdm. Or a regular expression of the user's own (`progress.pattern`) with the groups
step, total, loss and rate; a group of any other name is a metric.
"""

import itertools
import math
import re
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from .log import OWN
from .progress import EPOCHS, MAX_METRICS, OUTPUT

if TYPE_CHECKING:
    from typing import Match, Pattern

MAX_LINE = 600  # characters: what is longer is no line of progress
MAX_STEPS = 4  # of a line
MAX_PIECE = 16 * 1024  # bytes of one reading that are looked at: the last ones

_ESCAPES = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3}){1,4}(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = _NUMBER + r"|(?i:nan\b|[-+]?inf(?:inity)?\b)"
_DIGIT = re.compile("[0-9]")
_BREAKS = re.compile(b"[\r\n]+")  # a bar that is drawn anew ends the one before

_EPOCH = re.compile(r"\s*Epoch (\d+)/(\d+)\s*$")
_BAR = re.compile(r"\s*(\d+)/(\d+|Unknown)(?: \[[=>.]*\]| \u2501*| -|$)(.*)")
_OTHERS = re.compile(r"\d{4}-\d\d-\d\d \d\d:|[IWEF]\d{4} \d\d:|Traceback \(")  # in the line of a bar that is not over
_STEP = re.compile(
    r"(?i)(?<![\w.])(?:global[_ ]?)?(?:step|iter(?:ation)?)(?:['\"]?\s*[:=#]\s*|\s+)\[?(\d[\d,]*)"
    r"(?:\s*(?:/|of)\s*(\d[\d,]*))?(?![\w.%])"
)
_EPOCH_LINE = re.compile(r"(?i)(?<!\w)epoch['\"]?[ :#\[]{0,3}(\d+)(?:\s*(?:/|of)\s*(\d+))?(?![\w.%])")
_TQDM = re.compile(r"(.*?)\d+%\|[^|]*\| *(\d+)/(\d+) \[(.*)\]")
_NOT_A_STEP = re.compile(r"(?i)(total|max|num|number of|warmup|per|every|to|from|at)[ _]*$")
_DONE = re.compile(r"(?i)\b(?:step|iter(?:ation)?) \d+ (?:is )?(?:done|finished|completed)\b")
_BENCHMARK = re.compile(r"(\d+)\timages/sec: [^\t]*\t(%s)" % _NUMBER)  # tf_cnn_benchmarks
# The evaluation of a program that trains: its steps are its own, or no news.
_EVALUATION = re.compile(
    r"(?i)(?:^|[\]:|>])(?<!INFO:(?=\w))\W{0,8}(?:eval(?:uat(?:ion|ing))?|valid(?:ation|ating)?|val|test(?:ing)?)"
    r"(?:\s*(?:[|:()\[\]]|-(?!\w))|\s+(?:step|iter|epoch|batch))|Saving dict for global step"
)
_OF_EVALUATION = re.compile(r"(?i)(?:val|valid|validation|test|eval|evaluation)(?![a-z])")
_OF_DICT = re.compile(r"(?:.*\] |\s*)[{ ]['\"][\w/.-]+['\"]: ")  # as pprint prints what a step returned
_LOSS_AT = re.compile(r"(?i)loss\b[^:=]* at step (\d+): *(%s)" % _NUMBER)
_METRIC = re.compile(
    r"((?:\b(?i:val|valid|validation|test|eval|evaluation|train|training|learning) )?[A-Za-z_][\w/.-]{0,39})"
    r"['\"]?\s*[:=]\s*(%s)(?![\w:/%%.])" % _VALUE
)
_SPOKEN = re.compile(
    r"(?i)\b((?:val_|(?:val|valid|validation|test|eval|evaluation|train|training) )?(?:loss|accuracy|acc|auc)) "
    r"(?:is |of )?(%s)(?![\w:/])" % _VALUE
)
_RATE = re.compile(
    r"(?i)(?:global_step|steps)/s(?:ec)?\s*[:=]\s*(%s)|(?<![\w.])(%s) ?(?:steps?|it)/s(?:ec)?\b" % (_NUMBER, _NUMBER)
)
_TIME_PER_STEP = re.compile(
    r"(?<![\w.])(%s) *(us|ms|s|sec)/(?:step|it|iter|batch)\b|per-step time (%s) ?(s)\b" % (_NUMBER, _NUMBER)
)
_NO_METRICS = re.compile(
    r"(?i)((global|train|training|test|val|eval)_?)?(step|steps|epochs?|iter(ation)?|batch|total|eta|time|sec|seconds|size|port|pid|seed|rank|ts|timestamp|line(no)?)$|.*/s(ec)?$|.*\.(py|cc|h)$"
)
_LOSSES = ("loss", "train loss", "training loss")
_UNITS = {"us": 1e6, "ms": 1e3, "s": 1.0, "sec": 1.0}

# What tells most exactly wins over the rest, once it was seen.
_BY_EPOCH, _BY_STEP, _BY_BAR, _BY_TOTAL = range(4)


class Printed:
    """Takes in what a program prints, and knows how far it is: `found`, the keys of a progress document."""

    def __init__(self, pattern: str = "") -> None:
        self.document: Optional[Dict[str, object]] = None
        self._pattern: "Optional[Pattern[str]]" = re.compile(pattern) if pattern else None
        self._rest = b""
        self._rank = -1
        self._epoch: Optional[Tuple[int, int]] = None  # that Keras has announced
        self._steps: Optional[int] = None  # of it
        self._begun = self._over = False
        self._speed: Optional[float] = None  # that its last bar tells
        self._epochs_alone = True  # a line each, at its end (verbose=2)
        self._fit, self._last_epoch = 1, 0  # of Keras, that are counted
        self._pass, self._first, self._last = 1, 0, 0  # of other steps with a total: through all of them; in this one
        self._total: Optional[int] = None
        self._took_step = False  # from the line before: more of it may follow
        self._afresh = False  # what is known is of the fit, or pass, before

    def feed(self, data: bytes) -> bool:
        """Whether that is news."""
        before = self.document
        if len(data) > MAX_PIECE:
            self._rest, data = b"", data[-MAX_PIECE:].split(b"\n", 1)[-1]
        *lines, self._rest = _BREAKS.split(self._rest + data)
        if len(self._rest) > 4 * MAX_LINE:
            self._rest = b""
        for raw in lines:
            line = _ESCAPES.sub("", raw.decode("utf-8", "replace")) if len(raw) <= 4 * MAX_LINE else ""
            if line and len(line) <= MAX_LINE and not line.startswith(OWN):  # there, the command would be read
                self._take(line)
        return self.document is not before

    def skip(self) -> None:
        """Output was left out here."""
        self._rest = b""

    def _take(self, line: str) -> None:
        if self._pattern is not None:
            match = self._pattern.search(line)
            if match:
                self._take_own(match)
            return
        if not _DIGIT.search(line):
            return
        epoch, bar = _EPOCH.match(line), _BAR.match(line)
        tqdm = _TQDM.match(line) if "%|" in line else None
        if epoch:
            self._epoch, self._begun, self._over = (int(epoch.group(1)), int(epoch.group(2))), False, False
            if self._epoch[0] <= self._last_epoch:  # one that goes on begins with a later epoch
                self._fit, self._last_epoch, self._steps, self._afresh = self._fit + 1, 0, None, True
        elif bar:
            if self._epoch:
                self._take_bar(bar)
        elif tqdm:
            self._take_tqdm(tqdm)
        else:
            self._take_line(line)

    def _take_own(self, match: "Match[str]") -> None:
        groups = {name: text for name, text in match.groupdict().items() if text}
        numbers = {name: _number(text) for name, text in groups.items()}
        step, total = numbers.pop("step", None), numbers.pop("total", None)
        if step is None or not math.isfinite(step):
            return
        total = total if total is None or math.isfinite(total) else None
        metrics = {name: math.nan if value is None else value for name, value in numbers.items()}
        rate, loss = numbers.pop("rate", None), metrics.pop("loss", None)
        metrics.pop("rate", None)
        self._put(_BY_TOTAL, int(step), None if total is None else int(total), loss, rate, metrics)

    def _take_bar(self, bar: "Match[str]") -> None:
        """Keras: `Epoch 3/10`, then `37/100 … loss: 0.48`. Other bars are those of evaluations."""
        assert self._epoch
        done, steps, rest = int(bar.group(1)), bar.group(2), _OTHERS.split(bar.group(3))[0]
        size = None if steps == "Unknown" else int(steps)
        if size is not None and (done > size or (self._begun and self._steps not in (None, size))):
            return
        over = size is not None and done == size
        if self._over and (self._epochs_alone or not over):  # the bar of an evaluation; a last one comes twice
            self._epoch = None
            return
        self._epochs_alone = over and (self._epochs_alone or not self._begun)
        size = self._steps if size is None else size
        self._steps, self._begun, self._over = size, True, over
        (epoch, epochs), metrics = self._epoch, _metrics(rest)
        step, total = (done, None) if size is None else ((epoch - 1) * size + done, epochs * size)
        if self._epochs_alone:
            step, total = epoch, epochs
        source = EPOCHS if self._epochs_alone else OUTPUT
        self._last_epoch = epoch
        if self._fit > 1:  # nobody knows how many more will come: no share of all, and no time left
            total = None
            metrics = dict(metrics, fit=float(self._fit), epoch=float(epoch))
        rate = _rate(rest)
        if done == 1 and not over:  # with the time to compile it, or to evaluate before it: as in the epoch before
            rate = None if self._afresh else self._speed
        self._speed = rate
        self._put(_BY_BAR, step, total, metrics.pop("loss", None), None if source == EPOCHS else rate, metrics, source)

    def _take_tqdm(self, bar: "Match[str]") -> None:
        """A bar of tqdm, if it is about training: downloads have them as well."""
        metrics = _metrics(bar.group(4))
        if _EVALUATION.match(bar.group(1) + ":"):
            return
        if "loss" in metrics or re.search(r"(?i)epoch|step|train(?!.*(examples|split))", bar.group(1)):
            rate = _rate(bar.group(4))
            self._put_counted(
                _BY_STEP, int(bar.group(2)), int(bar.group(3)), metrics.pop("loss", None), rate, metrics, True
            )

    def _take_line(self, line: str) -> None:
        loss_at = _LOSS_AT.search(line)
        if loss_at:
            self._put(_BY_STEP, int(loss_at.group(1)), None, _number(loss_at.group(2)), None, {})
            return
        benchmark = _BENCHMARK.match(line)
        if benchmark:
            self._put(_BY_STEP, int(benchmark.group(1)), None, _number(benchmark.group(2)), None, {})
            return
        metrics, rate = _metrics(line), _rate(line)
        steps = [
            match
            for match in itertools.islice(_STEP.finditer(line), MAX_STEPS)
            if not _NOT_A_STEP.search(line[: match.start()])
        ]
        step = steps[0] if steps else None
        if step and not step.group(2):  # one of this task alone, maybe
            step = next((match for match in steps if match.group().lower().startswith("global")), step)
        evaluation = _EVALUATION.search(line)
        before = line[: evaluation.start()] if evaluation else ""
        if evaluation and not (step and step.start() < len(before)) and not _metrics(before):  # nothing of training
            self._took_step = False
            self._add({name if _OF_EVALUATION.match(name) else "val_" + name: metrics[name] for name in metrics})
            return
        if self._took_step and not step and _OF_DICT.match(line):
            self._add(metrics)
            return
        self._took_step = bool(step)
        loss = metrics.pop("loss", None)
        if step and (step.group(2) or loss is not None or metrics or rate is not None or _DONE.search(line)):
            total = step.group(2) and _whole(step.group(2))
            if not total or _whole(step.group(1)) <= total:
                done = _whole(step.group(1))
                if total:
                    self._put_counted(_BY_TOTAL, done, total, loss, rate, metrics)
                else:
                    self._put(_BY_STEP, done, None, loss, rate, metrics)
            return
        # global_step/sec, on its own line
        if rate is not None and self.document is not None and self._rank == _BY_STEP:
            self.document = dict(self.document, rate=rate)
            return
        epoch = _EPOCH_LINE.search(line)
        if epoch and (loss is not None or metrics):
            total = int(epoch.group(2)) if epoch.group(2) else None
            self._put(_BY_EPOCH, int(epoch.group(1)), total, loss, None, metrics, EPOCHS)

    def _add(self, metrics: Dict[str, float]) -> None:
        """More about the step that is known."""
        old = self.document
        if old is not None:
            kept = dict(old["metrics"], **metrics)  # type: ignore[call-overload]
            loss = kept.pop("loss", old["loss"])
            self.document = dict(old, loss=finite(loss), metrics=first_metrics(kept))

    def _put_counted(
        self,
        rank: int,
        step: int,
        total: int,
        loss: Optional[float],
        rate: Optional[float],
        metrics: Dict[str, float],
        bar: bool = False,
    ) -> None:
        """A step of so many. Where they begin anew, as in each epoch of a loop, they are no share of all.

        A program that goes on from a checkpoint goes back too, but not to its first step; a bar does not go back.
        """
        if rank < self._rank:
            return
        if total != self._total or rank != self._rank:
            self._total, self._pass, self._first, self._last = total, 1, step, step
        elif step < self._last and (bar or step <= self._first):
            self._pass, self._first, self._afresh = self._pass + 1, step, True
        self._last = step
        if self._pass > 1:
            self._put(rank, step, None, loss, rate, dict(metrics, **{"pass": float(self._pass)}))
        else:
            self._put(rank, step, total, loss, rate, metrics)

    def _put(
        self,
        rank: int,
        step: int,
        total: Optional[int],
        loss: Optional[float],
        rate: Optional[float],
        metrics: Dict[str, float],
        source: str = OUTPUT,
    ) -> None:
        if rank < self._rank:
            return
        old = self.document if self.document is not None and rank == self._rank and not self._afresh else {}
        self._rank, self._afresh = rank, False
        kept = dict(old.get("metrics") or {})  # type: ignore[call-overload]
        kept.update(metrics)
        document = {
            "step": step,
            "total": total,
            "loss": old.get("loss") if loss is None else finite(loss),
            "rate": rate,
            "metrics": first_metrics(kept),
            "source": source,
        }
        if rate is None and old.get("step") == step:
            document["rate"] = old.get("rate")
        if document != self.document:
            self.document = document


def check(pattern: str) -> str:
    """What is wrong with a pattern of the user's own; "" if nothing is."""
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        return "not a regular expression of Python: %s" % error
    return "" if "step" in groups else "has no group (?P<step>…)"


def _metrics(text: str) -> Dict[str, float]:
    """Name -> number of all that looks like a metric, `loss` among them."""
    pairs: List[Tuple[str, str]] = _METRIC.findall(text) + _SPOKEN.findall(text)
    values = {}  # type: Dict[str, float]
    for written, number in pairs:
        name = "loss" if written.lower().replace("_", " ") in _LOSSES else written.lstrip("_").replace(" ", "_")
        value = _number(number) if _DIGIT.search(number) else math.nan  # which JSON has not: the last one holds no more
        if value is not None and name not in values and not _NO_METRICS.match(name):
            values[name] = value
    return values


def _rate(text: str) -> Optional[float]:
    """Steps a second."""
    match = _RATE.search(text)
    if match:
        return _number(match.group(1) or match.group(2))
    match = _TIME_PER_STEP.search(text)
    seconds = _number(match.group(1) or match.group(3)) if match else None
    return _UNITS[match.group(2) or match.group(4)] / seconds if match and seconds and seconds > 1e-9 else None


def first_metrics(metrics: Dict[str, float]) -> Dict[str, float]:
    """The first ones by name, as many as are told, without those that are no number any more."""
    numbers = ((name, value) for name, value in sorted(metrics.items()) if math.isfinite(value))
    return dict(itertools.islice(numbers, MAX_METRICS))


def finite(number: Optional[float]) -> Optional[float]:
    """The number, or nothing in place of nan and inf, which JSON has not."""
    return number if number is None or math.isfinite(number) else None


def _number(text: str) -> Optional[float]:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _whole(text: str) -> int:
    return int(text.replace(",", ""))

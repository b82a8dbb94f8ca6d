"""Report the progress of a training: programs import this file as `tensorflow_job.progress`. Python 3.6.

    from tensorflow_job import progress

    progress.report(step, total, loss=loss, accuracy=accuracy)   # in a loop
    model.fit(..., callbacks=[progress.KerasCallback()])          # in Keras 2 and 3

Outside a job (without TASK_PROGRESS_FILE) nothing happens. Call it as often as you like: at most one report a second
is written, and the last one when Python ends, if it has no tensors; a failure to write one never disturbs the training.
"""

import atexit
import json
import os
import time
from numbers import Real
from typing import Any, Callable, Dict, Optional

__all__ = ["KerasCallback", "report"]

SECONDS = 1.0  # between reports that are written
_written_at = float("-inf")
_left_out: Optional[Dict[str, Any]] = None  # the last report, if it was not written


def report(step: Any, total: Any = None, loss: Any = None, rate: Any = None, **metrics: Any) -> None:
    """Report the step that is done; `total` steps are planned, `rate` is in steps a second, all else is a metric.

    Numbers may be tensors and NumPy scalars.
    """
    global _written_at, _left_out  # noqa: PLW0603 - there is one report of a process
    path = os.environ.get("TASK_PROGRESS_FILE")
    if not path:
        return
    numbers = dict(metrics, step=step, total=total, loss=loss, rate=rate)
    if time.monotonic() - _written_at < SECONDS and not _is_last(step, total):
        _left_out = numbers
        return
    _written_at, _left_out = time.monotonic(), None
    _write(path, numbers)


def _is_last(step: Any, total: Any) -> bool:
    done, planned = _number(step), _number(total)
    return done is not None and planned is not None and done >= planned


def flush() -> None:
    """Write the last report, if it came too soon after the one before."""
    path = os.environ.get("TASK_PROGRESS_FILE")
    if path and _left_out:
        _write(path, _left_out)


@atexit.register
def _flush_at_exit() -> None:
    """Tensors are left alone: a server that is gone may have them."""
    if _left_out and all(value is None or isinstance(value, Real) for value in _left_out.values()):
        flush()


def _write(path: str, numbers: Dict[str, Any]) -> None:
    known = {name: _number(value) for name, value in numbers.items()}
    document = {name: number for name, number in known.items() if number is not None}
    part = "%s.%d" % (path, os.getpid())
    try:
        with open(part, "w") as file:
            json.dump(document, file)
        os.replace(part, path)
    except OSError:
        pass


def _number(value: Any) -> Optional[float]:
    """None for what is none, as the values that a coordinator has not fetched yet."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None  # JSON has no NaN


class KerasCallback:
    """A callback of `fit` that reports every step, the loss and all metrics. Works with any Keras, and imports none."""

    params: Dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed
    model: Any = None
    _supports_tf_logs = True
    _chief_worker_only = None
    async_safe = True
    _fit, _last_epoch = 1, -1  # of the process, whichever callback reported it

    def __init__(self) -> None:
        self._epoch = self._size = 0

    def set_params(self, params: Dict[str, Any]) -> None:
        """Called by Keras."""
        self.params = params or {}

    def set_model(self, model: Any) -> None:
        """Called by Keras."""
        self.model = model

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Called by Keras."""
        self._epoch = epoch
        if epoch <= KerasCallback._last_epoch:  # a `fit` that goes on begins with a later epoch
            KerasCallback._fit += 1
            self._size = 0
        KerasCallback._last_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called by Keras."""
        self._report(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Called by Keras."""
        self._report(self._size, logs)
        flush()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Called by Keras."""
        flush()

    def _report(self, done: int, logs: Any) -> None:
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        self._size = max(self._size, done, steps or 0)
        metrics = {name: value for name, value in (logs or {}).items() if name not in ("step", "total", "rate")}
        total = epochs * steps if epochs and steps else None
        if KerasCallback._fit > 1:  # nobody knows how many more will come: no share of all
            total, metrics = None, dict(metrics, fit=KerasCallback._fit, epoch=self._epoch + 1)
        report(self._epoch * (steps or self._size) + done, total, **metrics)

    def _implements_train_batch_hooks(self) -> bool:
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    _implements_predict_batch_hooks = _implements_test_batch_hooks

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("on_"):  # whatever else Keras calls
            return _ignore
        raise AttributeError(name)


def _ignore(*_args: Any, **_options: Any) -> None:
    pass


_ignore._is_default = True  # type: ignore[attr-defined]  # by which Keras knows what it need not call

"""Steps, losses and metrics from the event files of TensorBoard, without TensorFlow. Python 3.6.

A file is a row of records: 8 bytes of length, 4 of its checksum, the data, and 4 of its checksum. The data is an Event
(tensorflow/core/util/event.proto): 2 is the step, 5 a Summary of values (1), each with a tag (1) and a number (2), or
a tensor (8) that holds one. All else is skipped. A record that is not whole yet is read again.
"""

import contextlib
import os
import struct
from typing import BinaryIO, Dict, Iterator, Optional, Tuple, Union

MARK = ".tfevents."
MAX_RECORD = 64 * 1024  # larger ones are images, graphs and histograms
MAX_READ = 4 * 1024 * 1024  # bytes at once
_HEADER, _CHECKSUM_BYTES = struct.Struct("<QI"), 4
_MAX_LENGTH = 1 << 31  # of a record: what says more is no event file
_FLOAT, _DOUBLE = 1, 2  # DT_FLOAT, DT_DOUBLE
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Field = Tuple[int, Union[int, bytes]]


class EventFile:
    """One event file, read as it grows: `step` and `values`, the last number of each tag."""

    def __init__(self, path: str, offset: int = 0) -> None:
        self._path, self._offset = path, offset
        self.step: Optional[int] = None
        self.values: Dict[str, float] = {}

    def read_more(self) -> bool:
        """Take in what was added, a part of it where that is much; whether there was something. Raises OSError."""
        # A named pipe would wait for a writer.
        with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(self._offset)
            until, begun = self._offset + MAX_READ, self._offset
            while self._offset < min(size, until) and self._read_record(file, size):
                pass
        return self._offset > begun

    def _read_record(self, file: BinaryIO, size: int) -> bool:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return False
        length = _HEADER.unpack(header)[0]
        end = self._offset + _HEADER.size + length + _CHECKSUM_BYTES
        if length > _MAX_LENGTH:
            self._offset = size  # damaged: nobody knows where the next record begins
            return False
        if end > size:
            return False
        if length <= MAX_RECORD:
            data = file.read(length)
            with contextlib.suppress(ValueError, struct.error):
                self._take(data)
        file.seek(end)
        self._offset = end
        return True

    def _take(self, data: bytes) -> None:
        step, scalars = 0, {}
        for number, value in fields(data):
            if number == 2 and isinstance(value, int):
                step = value
            elif number == 5 and isinstance(value, bytes):
                scalars.update(_summary(value))
        if scalars and 0 <= step < 2**63:
            self.step = step
            for tag, scalar in scalars.items():
                if tag in self.values or len(self.values) < 100:
                    self.values[tag] = scalar


def fields(data: bytes) -> Iterator[Field]:
    """Number and value of each field of a message: an integer, or bytes. Raises ValueError or struct.error."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            integer, at = _varint(data, at)
            yield number, integer
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("no such kind of field")
        if at + size > len(data):
            raise ValueError("a field is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number is cut off")
        byte = data[at]
        at, result, shift = at + 1, result | (byte & 127) << shift, shift + 7
        if byte < 128:
            return result, at


def _summary(data: bytes) -> Dict[str, float]:
    scalars = {}
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            tag, scalar = "", None  # type: str, Optional[float]
            for inner, content in fields(value):
                if inner == 1 and isinstance(content, bytes):
                    tag = content.decode("utf-8")
                elif inner == 2 and isinstance(content, bytes) and len(content) == 4:
                    scalar = struct.unpack("<f", content)[0]
                elif inner == 8 and isinstance(content, bytes):
                    scalar = _scalar(content)
            if tag and scalar is not None:
                scalars[tag] = scalar
    return scalars


def _scalar(tensor: bytes) -> Optional[float]:
    """The one number in a TensorProto: 1 is its type, 2 its shape, 4 its bytes, 5 and 6 lists of floats and doubles."""
    content = dict(fields(tensor))
    if content.get(2):  # it has dimensions
        return None
    kind = content.get(1)
    layout = {_FLOAT: "<f", _DOUBLE: "<d"}.get(kind) if isinstance(kind, int) else None
    raw = content.get(4) or content.get(5 if kind == _FLOAT else 6)
    if layout is None or not isinstance(raw, bytes) or len(raw) != struct.calcsize(layout):
        return None
    return float(struct.unpack(layout, raw)[0])

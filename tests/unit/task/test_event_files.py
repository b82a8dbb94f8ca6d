"""TensorBoard's event files, read without TensorFlow, as they grow."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.tensorflow_job.task import event_files
from tfconfig.tensorflow_job.task.event_files import EventFile, fields
from tfconfig.tensorflow_job.task.watch import Folder


def varint(number: int) -> bytes:
    head = bytes([number & 127 | (128 if number > 127 else 0)])
    return head + varint(number >> 7) if number > 127 else head


def message(*parts: tuple[int, int | float | bytes]) -> bytes:
    """A protobuf message of these fields; a float is one of 4 bytes."""
    text = b""
    for number, value in parts:
        if isinstance(value, bytes):
            text += varint(number << 3 | 2) + varint(len(value)) + value
        elif isinstance(value, float):
            text += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            text += varint(number << 3) + varint(value)
    return text


def record(data: bytes) -> bytes:
    return struct.pack("<QI", len(data), 7) + data + b"crc!"


def simple(step: int, **values: float) -> bytes:
    """As TensorFlow 1 and Estimators write."""
    summary = message(*((1, message((1, tag.encode()), (2, value))) for tag, value in values.items()))
    return record(b"\x09" + struct.pack("<d", 1.7e9) + message((2, step), (5, summary)))


def tensor(step: int, tag: str, value: float) -> bytes:
    """As TensorFlow 2 and Keras write: a tensor without dimensions, and the plugin's metadata."""
    scalar = message((1, 1), (2, b""), (4, struct.pack("<f", value)))
    return record(message((2, step), (5, message((1, message((9, b"scalars"), (8, scalar), (1, tag.encode())))))))


HEAD = record(message((3, b"brain.Event:2")))


def read(path: Path, offset: int = 0) -> EventFile:
    events = EventFile(str(path), offset)
    events.read_more()
    return events


def test_scalars_of_both_kinds_are_read_and_all_else_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "events"
    big = record(message((2, 900), (5, message((1, message((1, b"image"), (4, b"x" * 100_000)))))))
    path.write_bytes(HEAD + simple(100, loss=0.5) + big + tensor(200, "epoch_accuracy", 0.75) + record(b"\xff\xff"))
    events = read(path)
    assert (events.step, events.values) == (200, {"loss": 0.5, "epoch_accuracy": 0.75})


def test_a_loss_that_is_none_any_more_does_not_stay_what_it_was(tmp_path: Path) -> None:
    path, folder = tmp_path / "events.out.tfevents.1.host", Folder(str(tmp_path), ["tensorboard"])
    folder.look()
    path.write_bytes(HEAD + simple(1, loss=0.5, val_loss=0.5, auc=0.5) + simple(2, loss=float("nan"), auc=float("inf")))
    folder.look()
    seen = folder.documents["tensorboard"]
    assert (seen["step"], seen["loss"], seen["metrics"]) == (2, None, {"val_loss": 0.5})


def test_a_file_is_read_on_where_it_ended_and_only_whole_records_count(tmp_path: Path) -> None:
    path, events = tmp_path / "events", EventFile(str(tmp_path / "events"))
    whole = HEAD + simple(1, loss=2.0) + simple(2, loss=1.0)
    seen = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        events.read_more()
        seen.append(events.step)
    assert seen == sorted(seen, key=lambda step: step or 0)
    assert (events.step, events.values) == (2, {"loss": 1.0})
    assert not events.read_more()


def test_what_was_there_before_the_program_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "events"
    old = HEAD + simple(900, loss=0.1)
    path.write_bytes(old + simple(1, loss=2.0))
    assert read(path, len(old)).step == 1


def test_much_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "MAX_READ", 1000)
    path = tmp_path / "events"
    path.write_bytes(b"".join(simple(step, loss=1.0) for step in range(1, 101)))
    events, parts = EventFile(str(path)), 0
    while events.read_more():
        parts += 1
    assert events.step == 100
    assert parts > 3


@given(st.binary(max_size=300))
def test_any_bytes_are_fields_or_an_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        list(fields(data))


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_a_damaged_file_is_passed_over(tmp_path_factory: pytest.TempPathFactory, data: bytes, length: int) -> None:
    path = tmp_path_factory.mktemp("d") / "events"
    path.write_bytes(simple(3, loss=1.0) + struct.pack("<QI", length, 0) + data)
    events = EventFile(str(path))
    for _ in range(3):
        events.read_more()
    assert events.step == 3 or events.values

"""The settings of a run that its record keeps: enough to name what changed, and none of the user's secrets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.run_settings import MAX_NAME, MAX_SETTINGS, MAX_VALUE, settings

SIZES = {"strategy": "Custom", "worker.replicas": "2", "worker.gpus": "1"}


def with_args(*args: str, **more: Any) -> Any:
    job: Any = a_job("Custom", worker=2, gpus={"worker": 1})
    return {**job, "program": {"command": ["python3", "train.py"], "args": list(args)}, **more}


def marks(values: dict[str, str]) -> dict[str, str]:
    return {name: "#" if value.startswith("#") else value for name, value in values.items() if name not in SIZES}


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["--lr=0.1"], {"--lr": "0.1"}),
        (["--lr", "1e-3", "--steps", "5000", "--low", "-1"], {"--lr": "1e-3", "--steps": "5000", "--low": "-1"}),
        (["-b", "64"], {"-b": "64"}),
        (["--pin", "1", "--AUTH_TOKEN=5", "--id", "7"], {"--pin": "set", "--AUTH_TOKEN": "set", "--id": "set"}),
        (["--name=ann", "--data", "s3://key:word@host/x", "--flag"], {"--name": "#", "--data": "#", "--flag": "set"}),
        (["--password", "-hunter2", "--a-key", "--AKIA", "-x=1"], {"--password": "set", "--a-key": "set", "-x": "1"}),
        (["--otp=4711", "--pw", "4711", "-p", "4711"], {"--otp": "set", "--pw": "set", "-p": "set"}),
        (["--pins", "47", "11", "--token", "-", "4711"], {"--pins": "set", "--token": "set"}),
        (["--key=47", "11", "--pin"], {"--key": "set", "--pin": "set"}),
        (["--lr=$(RATE)", "--x=١٢", "--seed"], {"--lr": "#", "--x": "#", "--seed": "set"}),
    ],
)  # fmt: skip
def test_of_the_programs_options_numbers_are_kept_marks_of_other_texts_and_nothing_of_secrets(
    args: list[str], shown: dict[str, str]
) -> None:
    values = settings(with_args(*args))
    assert {name: values[name] for name in SIZES} == SIZES
    assert marks(values) == {**shown, "program": "python3 train.py"}


def test_a_changed_text_has_another_mark_which_says_nothing_about_it() -> None:
    first, second = (settings(with_args(f"--data=s3://{bucket}")) for bucket in ("secret", "public"))
    assert first["--data"] != second["--data"]
    assert len(first["--data"]) == 3


def test_words_that_are_no_options_are_kept_where_they_name_a_script() -> None:
    values = settings(with_args("hunter2", program={"command": ["/usr/bin/python3", "x/fit.py"], "args": ["hunter2"]}))
    assert values["program"].startswith("/usr/bin/python3 x/fit.py #")
    assert "hunter2" not in str(values)


def test_a_text_that_only_begins_like_an_option_is_no_name_and_numbers_after_a_secret_one_are_left_out() -> None:
    values = settings(with_args("-phunter2", "-password", "4711", "-lr", "0.1"))
    assert values.keys() == {*SIZES, "program"}
    assert re.sub("#..", "#", values["program"]) == "python3 train.py # # # 0.1"


def test_the_chart_says_the_images_and_marks_of_all_else() -> None:
    marked = {"env.LR": "5a", **{f"env.V{number}": "00" for number in range(100)}}
    known = {"run": 3, "images": {"worker": "a:1", "ps": "a:1"}, "marks": marked}
    values = settings(with_args(record=known), "0.1.0")
    assert {"chart": "0.1.0", "run": "3", "image": "a:1", "env.LR": "#5a"}.items() <= values.items()
    assert len(values) == MAX_SETTINGS
    values = settings(with_args(record={**known, "images": {"worker": "a:1", "ps": "a:2"}}))
    assert (values["worker.image"], values["ps.image"]) == ("a:1", "a:2")


def test_long_names_are_left_out_and_long_values_cut() -> None:
    known = {"run": 3, "images": {"worker": "a" * 999}, "marks": {"x" * MAX_NAME: "5a", "y" * (MAX_NAME + 1): "5a"}}
    values = settings(with_args(record=known))
    assert values["image"] == "a" * MAX_VALUE
    assert [name[0] for name in values if len(name) >= MAX_NAME] == ["x"]


def test_the_environment_is_never_recorded() -> None:
    job = with_args(env={"worker": {"SEED": "4711 $(X)"}})
    assert "4711" not in str(settings(job))

"""What other programs may rely on in status.json: docs/schemas/status-json.schema.json, and the types of the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from jsonschema import Draft7Validator

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.state import State
from tfconfig.tensorflow_job.task import contracts

from .story import CHIEF, OTHER, Story
from .test_status import STATES

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/status-json.schema.json").read_text())
JOB = a_job(chief=1, worker=2, ps=1)


def errors(text: str) -> list[str]:
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(json.loads(text.partition("\n")[0]))]


@given(STATES)
def test_every_state_is_stored_as_the_schema_says(state: State) -> None:
    assert errors(status.dump(JOB, state, {})) == []


def test_the_states_of_a_run_are_stored_as_the_schema_says() -> None:
    story = Story.running(a_job(chief=1, worker=2, ps=1, stall=120))
    story.reports(CHIEF, 10, total=20)
    story.exits(OTHER, 1)
    story.exits(CHIEF, 0)
    story.free()
    story.look()
    assert story.state.freed
    assert errors(status.dump(story.job, story.state, story.pods)) == []


@pytest.mark.parametrize(
    "change", [{"freedom": True}, {"phase": "Runing"}, {"startTime": "yesterday"}, {"freed": None}, {"version": 2}]
)
def test_the_schema_refuses_what_is_not_in_it(change: dict[str, Any]) -> None:
    document = json.loads(status.dump(JOB, State(run_id="a"), {}))
    assert errors(json.dumps({**document, **change}))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (SCHEMA, contracts.StatusDocument),
        (SCHEMA["properties"]["progress"], contracts.StatusProgress),
        (SCHEMA["properties"]["wave"], contracts.StatusWave),
        (SCHEMA["properties"]["roles"]["additionalProperties"], contracts.StatusRole),
        (SCHEMA["properties"]["history"]["items"], contracts.StatusOutcome),
        (SCHEMA["definitions"]["usage"], contracts.UsageDocument),
        (SCHEMA["definitions"]["record"], contracts.StatusRecord),
    ],
)
def test_the_schema_has_the_keys_of_the_types(place: dict[str, Any], kind: Any) -> None:
    assert set(place["properties"]) == set(get_type_hints(kind))
    assert set(place["required"]) >= kind.__required_keys__


def test_the_schema_has_the_phases_and_reasons_of_the_types() -> None:
    assert SCHEMA["definitions"]["phase"]["enum"] == list(get_args(contracts.Phase))
    assert SCHEMA["definitions"]["reason"]["enum"] == list(get_args(contracts.Reason))
    past = SCHEMA["properties"]["history"]["items"]["properties"]["phase"]
    assert past["enum"] == list(get_args(contracts.EndPhase))

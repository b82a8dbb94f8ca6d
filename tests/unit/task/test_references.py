"""$(NAME) in the texts of `env`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.task.conftest import Container, job, shell
from tfconfig.tensorflow_job.task.references import circular, deferred, names, resolve

ENVIRON = {"PATH": "/bin", "IP": "10.0.0.1", "SECRET": "$(IP)", "EMPTY": ""}


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ({"ADDRESS": "$(IP):9"}, {"ADDRESS": "10.0.0.1:9"}),
        ({"PATH": "/x:$(PATH)"}, {"PATH": "/x:/bin"}),
        ({"B": "$(PATH)", "PATH": "/x:$(PATH)"}, {"B": "/x:/bin", "PATH": "/x:/bin"}),
        ({"A": "$(Z)/a", "M": "$(A)/m", "Z": "$(IP)"}, {"A": "10.0.0.1/a", "M": "10.0.0.1/a/m", "Z": "10.0.0.1"}),
        ({"A": "$(SECRET)"}, {"A": "$(IP)"}),  # what another source brings is not looked at
        ({"A": "$(B)", "B": "$$(IP)"}, {"A": "$(IP)", "B": "$(IP)"}),  # nor is what was put in
        ({"A": "$$(IP) $$$(IP) $(NOWHERE) $(EMPTY)|"}, {"A": "$(IP) $10.0.0.1 $(NOWHERE) |"}),
        ({"A": "$(A)"}, {"A": "$(A)"}),
        ({"A": "1$(B)", "B": "2$(A)", "C": "3$(A)"}, {"A": "1$(B)", "B": "2$(A)", "C": "31$(B)"}),
        ({}, {}),
    ],
)
def test_a_text_is_expanded_once_whatever_the_order_of_names(texts: dict[str, str], values: dict[str, str]) -> None:
    assert set(resolve(texts, ENVIRON)) == set(values)
    if not circular(texts):
        assert resolve(texts, ENVIRON) == values
        assert resolve(dict(reversed(texts.items())), ENVIRON) == values


@pytest.mark.parametrize(
    ("texts", "circle"),
    [
        ({"A": "$(A)"}, []),
        ({"A": "$(B)", "B": "$(A)"}, ["A", "B"]),
        ({"A": "$(B)", "B": "$(C)", "C": "$(A)", "IN": "$(A)", "OUT": "x"}, ["A", "B", "C"]),
        ({"A": "$(B)", "B": "$$(A)"}, []),
        ({"A": "$(B) $(A)", "B": "$(A)"}, ["A", "B"]),
    ],
)
def test_a_circle_is_found_without_what_only_leads_to_it(texts: dict[str, str], circle: list[str]) -> None:
    assert circular(texts) == circle


TEXTS = st.dictionaries(
    st.sampled_from("ABCDE"), st.lists(st.sampled_from(["$(A)", "$(B)", "$(C)", "$$", "x"]), max_size=4).map("".join)
)


@given(TEXTS)
def test_any_texts_come_to_an_end_and_without_a_circle_every_known_name_is_replaced(texts: dict[str, str]) -> None:
    values = resolve(texts, dict.fromkeys("ABCDE", "old"))
    assert values.keys() == texts.keys()
    plain = not any("$$" in text for text in texts.values())
    if plain and not circular(texts):
        assert not any("$(" in value for value in values.values())


def test_an_escaped_reference_is_left_to_the_pod_as_well_and_names_nothing() -> None:
    assert deferred("$$(A)")
    assert names("$$(A) $(B)") == {"B"}
    assert not deferred("5 $ for $HOME (A)")


def test_the_program_finds_each_text_with_the_variables_of_its_task(container: Container) -> None:
    env = {
        "LOG": "/logs/$(TASK_TYPE)-$(TASK_INDEX)",
        "CHAIN": "$(LOG)/$(GIVEN)",
        "GIVEN": "$(GIVEN)!",
        "RAW": "$$(LOG)",
    }
    container.write(job(program=shell('echo "$LOG $CHAIN $GIVEN $RAW"'), env={"worker": env, "ps": {"LOG": "no"}}))
    assert container.run(GIVEN="$(LOG)") == 0
    assert "/logs/worker-0 /logs/worker-0/$(LOG)! $(LOG)! $(LOG)" in container.output

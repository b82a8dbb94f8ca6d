"""A platform team's policies: their messages at the user's lines, and broken ones refused at their own."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tfconfig.checking import policy
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.effective import NAMES, effective
from tfconfig.values.load import load

JOB = """
program: {command: [python3, train.py]}
worker:
  replicas: 40
  gpus: 8
podLabels:
  owner: me
image: {tag: latest}
"""

Check = Callable[..., list[Diagnostic]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """What policies of these texts have against a job."""

    def checked(*texts: str, job: str = JOB) -> list[Diagnostic]:
        (tmp_path / "values.yaml").write_text(job, "utf-8")
        files = [tmp_path / f"{number}.yaml" for number, _ in enumerate(texts)]
        for file, text in zip(files, texts, strict=True):
            file.write_text(textwrap.dedent(text), "utf-8")
        return policy.check(load([str(tmp_path / "values.yaml")]), [policy.load(str(file)) for file in files])

    return checked


def test_message_of_a_policy_stands_at_the_users_line(check: Check) -> None:
    (diagnostic,) = check("""
        title: ML platform
        properties:
          worker:
            properties:
              replicas: {maximum: 16, errorMessage: more than 16 workers need a reservation}
        """)
    assert (diagnostic.rule, diagnostic.severity, diagnostic.line, diagnostic.path) == (
        "TFC400",
        "error",
        4,
        "worker.replicas",
    )
    assert Path(diagnostic.file).name == "values.yaml"
    assert diagnostic.message == "worker.replicas: more than 16 workers need a reservation"
    assert diagnostic.fix == "required by ML platform"


def test_without_a_message_the_schema_speaks(check: Check) -> None:
    (diagnostic,) = check("properties: {worker: {properties: {replicas: {maximum: 16}}}}")
    assert (diagnostic.message, diagnostic.fix) == ("worker.replicas: 40 is more than 16", "use 16 or less (0.yaml)")


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        (
            "worker: {properties: {replicas: {multipleOf: 3}}}",
            "worker.replicas",
            "40 is not a multiple of 3; use a mul",
        ),
        (
            "worker: {properties: {replicas: {exclusiveMaximum: 40}}}",
            "worker.replicas",
            "40 is not less than 40; use l",
        ),
        ("suspend: {const: true}", "suspend", "false is not true; use true"),
        ("suspend: {enum: [true, 'on']}", "suspend", "false is not one of true, on; use one of true, on"),
        ("suspend: {not: {const: false}}", "suspend", 'false is what the schema excludes: {"const": false}; use so'),
        ("suspend: false", "suspend", "false, but nothing is allowed here; remove it"),
        (
            "imagePullSecrets: {contains: {}}",
            "imagePullSecrets",
            "an empty list without an entry that fits {}; add one",
        ),
        (
            "podLabels: {dependencies: {owner: [a]}}",
            "podLabels",
            'a map is not allowed by dependencies: {"owner": ["a"',
        ),
    ],
)
def test_every_keyword_says_what_it_asks_for(check: Check, text: str, path: str, says: str) -> None:
    (diagnostic,) = check(f"properties:\n  {text}")
    assert f"{diagnostic.message}; {diagnostic.fix}".startswith(f"{path}: {says}")


def test_keys_that_only_the_chart_has_are_one_error(check: Check) -> None:
    (diagnostic,) = check("properties: {checkpoint: {additionalProperties: false, properties: {keep: {}}}}")
    assert diagnostic.message.startswith("checkpoint: unknown keys enabled, ")
    assert diagnostic.message.endswith(": the defaults of the chart are checked too")
    assert diagnostic.fix == "name them below properties, or leave additionalProperties out (0.yaml)"
    found = check("properties: {program: {}, worker: {}, podLabels: {}, nodeName: false}\nadditionalProperties: false")
    assert [item.path for item in found] == ["values", "image"]
    assert "the keys beside the values are checked too" in found[0].message


def test_each_keyword_can_have_a_message(check: Check) -> None:
    diagnostics = check("""
        properties:
          podLabels:
            required: [team, owner]
            properties:
              owner: {minLength: 3, pattern: '^[A-Z]', errorMessage: {minLength: too short, pattern: no capital}}
            errorMessage: {required: pods carry the label team}
        """)
    assert [item.message for item in diagnostics] == [
        "podLabels.team: pods carry the label team",
        "podLabels.owner: too short",
        "podLabels.owner: no capital",
    ]
    assert [item.line for item in diagnostics] == [6, 7, 7]


def test_message_around_a_reference_or_a_condition_counts(check: Check) -> None:
    diagnostics = check("""
        definitions:
          few: {maximum: 4}
        properties:
          worker:
            properties:
              gpus: {$ref: '#/definitions/few', errorMessage: at most 4 GPUs a task}
        if: {properties: {worker: {properties: {replicas: {minimum: 10}}}}}
        then:
          properties: {image: {properties: {tag: {not: {const: latest}}}}}
          errorMessage: large jobs name their image
        """)
    assert {(item.line, item.message) for item in diagnostics} == {
        (5, "worker.gpus: at most 4 GPUs a task"),
        (8, "image.tag: large jobs name their image"),
    }


def test_message_inside_of_a_reference_or_an_alternative_is_the_nearest(check: Check) -> None:
    diagnostics = check("""
        definitions:
          few: {maximum: 4, errorMessage: few GPUs}
        properties:
          worker:
            properties:
              gpus: {$ref: '#/definitions/few'}
            errorMessage: not this one
        allOf:
          - properties: {podLabels: {required: [team], errorMessage: pods carry the label team}}
        """)
    assert [item.message for item in diagnostics] == [
        "worker.gpus: few GPUs",
        "podLabels.team: pods carry the label team",
    ]


def test_several_policies_count_together_and_see_the_charts_defaults(check: Check) -> None:
    first = "properties: {worker: {properties: {gpus: {maximum: 4, errorMessage: a}}}}"
    second = "properties: {checkpoint: {properties: {keep: {const: false, errorMessage: b}}}}"
    diagnostics = check(first, second)
    assert [item.message for item in diagnostics] == ["worker.gpus: a", "checkpoint.keep: b"]
    assert [item.line for item in diagnostics] == [5, 1]


def test_job_that_keeps_to_the_policy_has_no_finding(check: Check) -> None:
    assert check("properties: {worker: {properties: {replicas: {maximum: 40}}}}") == []


def test_policy_may_be_json(check: Check) -> None:
    assert len(check('{"$schema": "http://json-schema.org/draft-07/schema#", "required": ["no"]}')) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "1.yaml:1:4: not YAML"),
        ("", "1.yaml:1:1: the policy is empty"),
        ("properties:\n  a: {type: number, minimum: x}", "1.yaml:2:21: not a JSON Schema of draft-07"),
        ("properties:\n  a: {type: text}", "1.yaml:2:7: not a JSON Schema of draft-07"),
        ("$schema: https://json-schema.org/draft/2020-12/schema", "1.yaml:1:1: a policy is a JSON Schema of draft-07"),
        ("properties:\n  a: {$ref: '#/definitions/b'}", "1.yaml:2:7: #/definitions/b is not in this file"),
        (
            "allOf:\n  - $ref: http://example.com/schema.json",
            "1.yaml:2:5: http://example.com/schema.json is not in this file",
        ),
        ("allOf:\n  - $ref: other.json", "1.yaml:2:5: other.json is not in this file"),
        ("allOf:\n  - $ref: '#few'", "1.yaml:2:5: #few is not in this file"),
        ("items: [{}]\nadditionalItems:\n  $ref: //example.com", "1.yaml:3:3: //example.com is not in this file"),
        (
            "properties:\n  a: {pattern: '['}",
            '1.yaml:2:7: not a JSON Schema of draft-07: the string "[" is not a regex',
        ),
        ("required: true", "1.yaml:1:1: not a JSON Schema of draft-07: expected a list, found true; use a list"),
        ("a: 1\n---\nb: 2", "1.yaml:2:1: a second document"),
    ],
)
def test_broken_policy_is_a_usage_error_and_names_its_place(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "1.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(policy.PolicyError) as refused:
        policy.load(str(file))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("{worker: {maxium: 4}}", "maxium is no keyword of draft-07 and would not be read; did you mean maximum?"),
        ("{worker: {replicas: {maximum: 4}}}", "replicas is no keyword of draft-07 and would not be read; keys of the"),
        ("{worker: {'': 1}}", "'' is no keyword"),
        ('{worker: {"a\\nb\\e[31m": 1}}', r"a b\x1b[31m is no keyword"),
        (
            "{worker: {unevaluatedProperties: false}}",
            "is of a newer draft than 07 and would not be read",
        ),
        ("{worker: {dependentRequired: {}}}", "is of a newer draft than 07 and would not be read; use dependencies"),
        ("{worker: {format: ipv4}}", "format is not checked; use pattern"),
        ("{worker: {$ref: '#/definitions/few', minimum: 1}}", "minimum beside $ref is not read in draft-07"),
        ("{worker: {then: {required: [a]}}}", "then is not read without if"),
        ("{worker: {if: {required: [a]}}}", "if checks nothing without then or else"),
        ("{worker: {additionalItems: false}}", "additionalItems is read only beside a list of items"),
        ("{worker: {mayIgnore: [TFC305]}}", "mayIgnore is read only at the top"),
        ("{worker: {$schema: 'http://json-schema.org/draft-04/schema#'}}", "$schema is read only at the top"),
        ("{worker: {errorMessage: [no]}}", "errorMessage: expected a string, or a map"),
        ("{worker: {errorMessage: {maxPropertys: no}}}", "errorMessage: maxPropertys is no keyword that checks"),
        ("{totals: {properties: {gpu: {maximum: 4}}}}", "totals has no gpu, only tasks, pods, gpus, "),
        ("{roles: {properties: {workers: {}}}}", "roles has no workers, only chief, worker, ps, evaluator"),
        ("{worker: {$ref: '#/definitions'}}", "#/definitions is not a schema; write one below definitions"),
        ("{worker: {$ref: '#/title'}}", "#/title is not a schema"),
        ("{worker: {$ref: '#/x-parts/few'}}", "#/x-parts/few is not a schema"),
        ("{worker: {$ref: '#/allOf'}}", "#/allOf is not a schema"),
        ("{worker: {$ref: '#/allOf/2'}}", "#/allOf/2 is not in this file"),
        ("{worker: {$ref: '#/allOf/0/default'}}", "#/allOf/0/default is not a schema"),
    ],
)
def test_what_would_check_nothing_is_refused(tmp_path: Path, schema: str, says: str) -> None:
    around = "{title: t, definitions: {few: {}}, x-parts: {few: {}}, allOf: [{default: {maxium: 0}}], properties: %s}"
    file = tmp_path / "1.yaml"
    file.write_text(around % schema, "utf-8")
    with pytest.raises(policy.PolicyError) as refused:
        policy.load(str(file))
    assert says in str(refused.value)


# Those of the specification, sections 6 to 10, but for format, and two more.
KEYWORDS = """type: object, enum: [1], const: 1, multipleOf: 1, maximum: 1, exclusiveMaximum: 1, minimum: 1
exclusiveMinimum: 1, maxLength: 1, minLength: 1, pattern: a, items: {}, maxItems: 1, minItems: 1, uniqueItems: true
contains: {}, maxProperties: 1, minProperties: 1, required: [a], properties: {}, patternProperties: {}
additionalProperties: {}, dependencies: {a: [b]}, propertyNames: {}, allOf: [{}], anyOf: [{}], oneOf: [{}], not: {}
contentMediaType: a, contentEncoding: a, definitions: {}, title: a, description: a, default: {maxium: 1}, readOnly: true
writeOnly: true, examples: [{maxium: 1}], $comment: a, $defs: {}, x-note: {maxium: 1}"""


@pytest.mark.parametrize("keyword", re.split(", (?=\\S+:)|\n", KEYWORDS))
def test_every_other_keyword_of_draft_07_is_taken(check: Check, keyword: str) -> None:
    check(f"properties: {{{keyword.split(':', maxsplit=1)[0]}: {{{keyword}}}}}")


@pytest.mark.parametrize("reference", ["#/$defs/few", "#/definitions/a%20few", "#/allOf/0", "#/definitions/a few"])
def test_a_reference_leads_to_any_schema_of_the_file(check: Check, reference: str) -> None:
    few = "{properties: {replicas: {maximum: 4}}}"
    beside = "title: t, description: d, default: 1, examples: [], readOnly: true"
    text = f"$defs: {{few: {few}}}\ndefinitions: {{a few: {few}}}\nallOf: [{few}]\n"
    (diagnostic,) = check(f"{text}properties: {{worker: {{$ref: '{reference}', {beside}}}}}")
    assert diagnostic.path == "worker.replicas"


@pytest.mark.parametrize(("file", "says"), [("none.yaml", "No such file"), ("a\0b", "null byte")])
def test_policy_that_cannot_be_opened_is_a_usage_error(file: str, says: str) -> None:
    with pytest.raises(policy.PolicyError, match=says):
        policy.load(file)


def test_reference_below_an_id_of_its_own_is_a_usage_error(check: Check) -> None:
    inner = "{$id: 'http://example.com/a', allOf: [{$ref: '#/definitions/few'}]}"
    with pytest.raises(policy.PolicyError, match="/definitions/few is not in this file"):
        check(f"definitions: {{few: {{}}}}\nallOf: [{inner}]")


def test_reference_to_itself_is_a_usage_error(check: Check) -> None:
    with pytest.raises(policy.PolicyError, match="leads to itself"):
        check("definitions: {a: {$ref: '#/definitions/a'}}\nallOf: [{$ref: '#/definitions/a'}]")


def test_the_names_beside_the_values_are_those_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("program: {command: [a]}\nevaluator: {replicas: 1}\n", "utf-8")
    view = effective(load([str(file)])).data
    assert {key: tuple(view[key]) for key in NAMES} == {key: tuple(names) for key, names in NAMES.items()}

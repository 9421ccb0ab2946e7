"""What docs/scenarios.md, docs/traces.md and results/README.md say is what the code does."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from pydantic_core import PydanticUndefined

from glassbench.experiments.account.arm_result import ESTIMATE_TYPES, FLOW_TYPES, LEDGER_TYPES, LINK_TYPES
from glassbench.experiments.account.ledger import FATES, STAGE_NAMES
from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.cli.show_run import json_object
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.dataset import load
from glassbench.experiments.scenario import Scenario, parse
from glassbench.experiments.scenario.arm_spec import option_text
from glassbench.experiments.scenario.element_spec import RandomSpec
from glassbench.experiments.scenario.elements import ELEMENTS
from glassbench.experiments.scenario.flow_spec import FlowSpec
from glassbench.experiments.scenario.media_spec import ChatSpec, VideoSpec
from glassbench.experiments.scenario.queue_spec import QUEUES
from glassbench.experiments.scenario.schema import Spec
from glassbench.experiments.scenario.segment_spec import SegmentSpec
from glassbench.experiments.scenario.units import DURATION, FRACTION, RATE, SIZE
from glassbench.netem.traces import FORMATS
from glassbench.transport import registry
from glassbench.transport.codecs import CODECS
from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.registry import TRANSPORTS

ROOT = Path(__file__).parents[2]
SCENARIOS = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
TRACES = (ROOT / "docs" / "traces.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
EXPLAINED = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

ADAPTIVE = (ROOT / "docs" / "adaptive.md").read_text(encoding="utf-8")

NETWORK = {"rate": "5Mbit/s"}
MODELS: dict[str, type[Spec]] = {
    "Top level": Scenario,
    "Video": VideoSpec,
    "Chat": ChatSpec,
    "Network": SegmentSpec,
    "Flows": FlowSpec,
    **ELEMENTS,
    **QUEUES,
}
# The least that is accepted; what is dumped beyond that are defaults. Elements and queues have examples.
LEAST: dict[str, dict[str, Any]] = {
    "Top level": {
        "name": "x",
        "duration": "1s",
        "arms": ["udp"],
        "video": {"source": "lognormal"},
        "network": NETWORK,
    },
    "Video": {"source": "lognormal"},
    "Flows": {"name": "media"},
}


def section(text: str, heading: str) -> str:
    """From the heading to the next one."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, heading
    return match[1]


def table(text: str) -> list[list[str]]:
    """The cells of the only table, without its head."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def named(cell: str) -> list[str]:
    """The names in a cell, which may be several in code style."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_example_of_the_document_is_a_scenario_with_all_tables() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", SCENARIOS, re.DOTALL)
    scenario = parse(example, "example.toml")
    assert [arm.label for arm in scenario.arms][-2:] == ["quic-datagram", "QUIC, as it is"]
    assert scenario.chat is not None
    assert len(scenario.network.paths()[0]) == 5
    assert set(re.findall(r"^(\w+) = ", example, re.MULTILINE)) < {
        *Scenario.model_fields,
        *VideoSpec.model_fields,
        *ChatSpec.model_fields,
        *SegmentSpec.model_fields,
    }


def test_the_sentence_quoted_in_the_document_is_the_real_one() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", SCENARIOS, re.DOTALL)
    (quoted,) = re.findall(r"```\nerror: (.*?)\n```", SCENARIOS)
    with pytest.raises(ValueError) as error:
        parse(example.replace('"20s"', '"20"'), "my.toml")
    assert str(error.value) == quoted


@pytest.mark.parametrize("heading", list(MODELS))
def test_the_document_has_every_field_with_its_default(heading: str, examples: dict[str, dict[str, Any]]) -> None:
    model = MODELS[heading]
    documented = {named(name)[0]: default for name, _, default, _ in table(section(SCENARIOS, heading))}
    of_all = {"name"} if issubclass(model, RandomSpec) else set()  # described once, for all elements
    fields = {field.alias or name: field for name, field in model.model_fields.items() if name not in of_all}
    assert list(documented) == list(fields)
    example = LEAST.get(heading) or examples.get(heading, {})
    least = {name: value for name, value in example.items() if fields[name].default in (None, PydanticUndefined)}
    given = model.model_validate(least).dump()
    for name, field in fields.items():
        if field.is_required():
            assert documented[name] == "required", name
        elif name in given and name not in least:
            value = given[name]["bytes"] if name == "queue" else given[name]
            assert documented[name] == f"`{option_text(value)}`", name
        else:
            assert documented[name] == "-" and field.default is None, name


OPTIONS = table(section(SCENARIOS, "Arms"))


def matches(pattern: str, transport: str) -> bool:
    return re.fullmatch(pattern.replace("*", ".*"), transport) is not None


@pytest.mark.parametrize("name", TRANSPORTS)
def test_the_document_has_every_option_of_a_transport(name: str) -> None:
    rows = [row for row in OPTIONS if any(matches(pattern, name) for pattern in named(row[0]))]
    # Of two rows with an option, the later one is of fewer transports.
    documented = {named(option)[0]: (kind, *named(default)) for _, option, kind, default, _ in rows}
    kinds = {float: "number", int: "integer", bool: "boolean", str: "text"}
    options = registry.get(name).options
    real = {}
    for field in fields(options):
        hint = get_type_hints(options)[field.name]
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        kind = kinds[type(choices[0]) if choices else hint]
        real[field.name] = (kind, option_text(field.default))
        assert all(f"`{choice}`" in SCENARIOS for choice in choices)
    assert documented == real


def test_every_row_of_options_is_of_a_transport() -> None:
    for row in OPTIONS:
        for pattern in named(row[0]):
            assert any(matches(pattern, name) for name in TRANSPORTS), pattern


def accepted(heading: str, field: str) -> list[str]:
    """What is named in the last cell of a field."""
    return next(named(row[-1]) for row in table(section(SCENARIOS, heading)) if field in row[-4])


@pytest.mark.parametrize("name", CODECS)
def test_the_document_has_every_codec_and_its_costs(name: str) -> None:
    assert name in accepted("Video", "`codec`")
    assert set(CODECS[name].encode_costs) <= set(accepted("Video", "`encode_cost`"))
    assert name in accepted("Video", "`decode_cost`")


@pytest.mark.parametrize("name", CONTROLLERS)
def test_the_document_has_every_congestion_controller(name: str) -> None:
    assert any(name in named(row[-1]) for row in OPTIONS if "`control`" in row[1])


@pytest.mark.parametrize("name", FORMATS)
def test_the_document_has_every_format_of_traces(name: str) -> None:
    assert [name] in [named(row[0]) for row in table(section(TRACES, "Traces"))]


def test_the_document_has_every_unit() -> None:
    documented = {kind: re.findall(r"`([^`]+)`", units) for kind, units in table(section(SCENARIOS, "Quantities"))}
    quantities = {"duration": DURATION, "rate": RATE, "size": SIZE, "share": FRACTION}
    assert documented == {name: list(quantity.units) for name, quantity in quantities.items()}


def test_the_document_marks_what_the_floor_does_without() -> None:
    for name, element in ELEMENTS.items():
        assert section(SCENARIOS, name).strip().startswith("*Loses") == element.loses, name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("heading", "types"),
    [
        ("ledger.parquet", LEDGER_TYPES),
        ("links.parquet", LINK_TYPES),
        ("flows.parquet", FLOW_TYPES),
        ("estimates.parquet", ESTIMATE_TYPES),
    ],
)
def test_the_schema_of_results_has_every_column_in_order(heading: str, types: dict[str, str]) -> None:
    documented = [name for row in table(section(RESULTS, heading)) for name in named(row[0])]
    assert documented == list(types)


@pytest.mark.parametrize("name", METRICS)
def test_the_schema_of_results_has_every_metric(name: str) -> None:
    assert METRICS[name].column in [
        column for row in table(section(RESULTS, "summary.parquet")) for column in named(row[0])
    ]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_explained(name: str) -> None:
    assert len(section(EXPLAINED, f"`{name}`").split()) > 10


def test_the_schema_of_results_has_every_stage_fate_and_number(tmp_path: Path) -> None:
    assert [named(row[0])[0] for row in table(section(RESULTS, "Stages"))] == list(STAGE_NAMES)
    assert {named(row[0])[0] for row in table(section(RESULTS, "Fates"))} == set(FATES)
    measured = run(
        Scenario.model_validate({**LEAST["Top level"], "chat": {}}), results=tmp_path / "results", workers=1
    ).run()
    documented = {name for row in table(section(RESULTS, "summary.parquet")) for name in named(row[0])}
    assert documented == set(measured.records[0]["summary"])
    assert documented <= set(json_object(measured)["arms"][0])
    files = {path.name for path in measured.path.iterdir()}
    assert files <= {name for row in table(section(RESULTS, "Results")) for name in named(row[0])}
    assert set(measured.records[0]) == set(re.findall(r"\{arm, .*?\}", RESULTS)[0].strip("{}").split(", "))
    assert load(measured.path).complete


def test_each_controller_runs_where_the_documents_say_so() -> None:
    section = ADAPTIVE.split("## Which controller runs where")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]
    for names, quic, rtp, needs_times in rows:
        for control in re.findall(r"`([a-z]+)`", names):
            for said, transports in ((quic, ("quic-datagram", "webtransport-stream-per-gop")), (rtp, ("rtp",))):
                for transport in transports:
                    assert said.startswith("yes" if _accepts(transport, control) else "no"), (transport, control)
            if control in CONTROLLERS:
                assert needs_times == ("yes" if "receive-times" in CONTROLLERS[control].needs else "no")
    assert len(rows) > 3
    usual = {name: registry.validate_options(name, {})["control"] for name in ("quic-adaptive", "quic-stream", "rtp")}
    assert usual == {"quic-adaptive": "adaptive", "quic-stream": "realtime", "rtp": "none"}


def _accepts(transport: str, control: str) -> bool:
    try:
        registry.validate_options(transport, {"control": control})
    except ValueError:
        return False
    return True

"""Options that change a scenario: one set of them for all commands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.app import COMMANDS, app
from glassbench.experiments.cli.change_options import settings_of
from glassbench.experiments.cli.errors import run_app
from glassbench.experiments.engine.changes import FIELDS
from glassbench.experiments.scenario.arm_spec import parse_arm
from glassbench.experiments.scenario.arm_table import ARMS

CHANGING = ("compare", "run", "ab", "agree", "sweep", "send")


def every_command() -> dict[str, Any]:
    commands = {}
    for name, entry in COMMANDS.items():
        command = entry.load(name)
        parts = getattr(command, "commands", {})
        commands |= {f"{name} {part}": each for part, each in parts.items()} or {name: command}
    return commands


EVERY = every_command()


@pytest.mark.parametrize("name", CHANGING)
def test_each_command_that_takes_a_scenario_has_the_same_options_with_the_same_words(name: str) -> None:
    options = {option: one for one in EVERY[name].params for option in one.opts}
    words = {f"--{'arm' if word == 'arms' else word.replace('_', '-')}" for word in FIELDS} | {"--set"}
    assert words <= set(options)
    usual = {option: one for one in EVERY["compare"].params for option in one.opts}
    for word in words:
        if not options[word].hidden:
            assert (options[word].help, options[word].metavar) == (usual[word].help, usual[word].metavar)


@pytest.mark.parametrize("name", EVERY)
def test_help_names_no_type_of_python_and_says_what_happens_without_an_option(name: str) -> None:
    command = EVERY[name]
    context = typer.Context(command, info_name=name)
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False):
            continue
        shown = parameter.display_type_rich(context)
        assert not shown or not re.search(r"<(bool|str|int|float|path|list)", shown.lower()), parameter.name
        assert parameter.help, parameter.name


@pytest.mark.parametrize("name", sorted(EVERY))
def test_each_command_can_print_json(name: str) -> None:
    assert "--json" in {option for one in EVERY[name].params for option in one.opts}


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "transports"),
        ("list", "scenarios"),
        ("experiment", "list"),
        ("results", "list"),
        ("results", "prune", "--incomplete"),
        ("trace", "list", "--duration", "2s"),
        ("trace", "inspect", "steps", "--duration", "2s"),
        ("trace", "generate", "steps", "--duration", "2s"),
        ("trace", "convert", "one.csv", "two.down"),
        ("oracle", "steps", "--duration", "1s"),
        ("compare", "--source", "lognormal", "--arm", "udp", "--duration", "200ms", "--workers", "1"),
    ],
)
def test_json_is_one_object_that_begins_with_the_folder_of_results_and_the_notes(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_pictures: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    Path("one.csv").write_text("time_s,rate_mbps\n0,5\n60,4\n")
    assert run_app(app, [*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert list(content)[:2] == ["results", "notes"]
    assert content["results"] is None or content["results"].startswith("results")
    assert all(isinstance(note, str) for note in content["notes"]) and len(content) > 2


def test_the_list_of_transports_has_every_value_that_an_option_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["list", "transports", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert list(rows) == list(ARMS)
    options = {option["name"]: option["accepted"] for option in rows["rtp"]["options"]}
    assert set(options["control"]) == {"none", "realtime", "reno", "cubic", "gcc", "scream", "bbr", "adaptive"}
    assert (options["feedback"], options["ecn"]) == (["rfc8888", "twcc"], ["true", "false"])
    for row in rows.values():
        for value in next((each["accepted"] for each in row["options"] if each["name"] == "control"), []):
            parse_arm(f"{row['name']}:control={value}")


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("video.codec=vp9", "video.codec", "vp9"),
        ("video.width=640", "video.width", 640),
        ("network.loss=1%", "network.loss", "1%"),
        ("network.delay = 20ms", "network.delay", "20ms"),
        ('name="a b"', "name", "a b"),
        ("x=true", "x", True),
        ("arms=['udp', 'rtp']", "arms", ["udp", "rtp"]),
        ("chat={size = '100B'}", "chat", {"size": "100B"}),
        ("chat=", "chat", None),
        ("a=b=c", "a", "b=c"),
        ("a=1\nb=2", "a", "1\nb=2"),
        ("a=2026-01-01", "a", "2026-01-01"),
        ("a=" + "[" * 100_000, "a", "[" * 100_000),
    ],
)
def test_a_setting_is_a_value_as_in_a_file_where_quotes_may_be_left_out(text: str, field: str, value: object) -> None:
    assert settings_of([text]) == {field: value}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["video.codec"], "--set: found 'video.codec'; accepted is FIELD=VALUE"),
        (["=3"], "--set: found '=3'; accepted is FIELD=VALUE"),
        (["a=1", "a=2"], "--set: the field 'a' is given twice"),
    ],
)
def test_a_setting_that_is_none_is_one_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        settings_of(texts)


@pytest.mark.usefixtures("in_an_empty_folder")
@pytest.mark.parametrize(
    ("complete", "incomplete", "offered"),
    [
        (completion.arms, "rt", ["rtp"]),
        (completion.arms, "rtp:con", [f"rtp:control={name}" for name in ("none", "gcc", "scream")]),
        (
            completion.arms,
            "rtp:control=gcc,feed",
            ["rtp:control=gcc,feedback=rfc8888", "rtp:control=gcc,feedback=twcc"],
        ),
        (completion.arms, "srt:lat", ["srt:latency_ms=120"]),
        (completion.arms, "nothing:x", []),
        (completion.traces, "lte", ["lte-driving"]),
        (completion.traces, "my", ["my.csv"]),
        (completion.sources, "logn", ["lognormal"]),
        (completion.scenarios, "ad", ["adaptive"]),
        (completion.scenarios, "m", ["mine.toml"]),
        (completion.experiments, "salsify", ["salsify-replay-v1"]),
        (completion.result_folders, "results/on", ["results/one"]),
        (completion.fields, "video.cod", ["video.codec="]),
        (completion.fields, "network.lo", ["network.loss=", "network.loss_duration="]),
    ],
)
def test_a_shell_is_offered_what_fits(complete: Any, incomplete: str, offered: list[str]) -> None:
    assert set(offered) <= set(complete(incomplete))
    assert all(text.startswith(incomplete) for text in complete(incomplete))


@pytest.fixture
def in_an_empty_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results" / "one").mkdir(parents=True)
    (tmp_path / "results" / "one" / "manifest.json").write_text("{}")
    for name in ("my.csv", "mine.toml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "offered"), [("glass comp", "compare"), ("glass compare --arm rt", "rtp"), ("glass run ad", "adaptive")]
)
def test_bash_completes_commands_and_values_by_the_protocol_of_typer(
    words: str, offered: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_GLASS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        typer.main.get_command(app).main(args=[], prog_name="glass", standalone_mode=False)
    assert offered in capsys.readouterr().out.split()

"""Files of budgets and baselines: what is accepted, and one sentence with the place for all else."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassbench.experiments.budgets.baseline import baseline_text, load_baseline, parse_baseline
from glassbench.experiments.budgets.check import require
from glassbench.experiments.budgets.fingerprint import fingerprint
from glassbench.experiments.budgets.spec import BudgetError, load_budgets, parse_budgets, single_budget
from glassbench.experiments.budgets.value import HELD

OF_MESSAGES = ", ".join(name for name, metric in HELD.items() if not metric.video_only)
GOOD = '[[budget]]\narm = "rtp"\np95 = { max = "100ms" }\n'


def refused(text: str) -> str:
    with pytest.raises(BudgetError) as caught:
        parse_budgets(text, "b.toml")
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_file_gives_its_limits_one_by_one_in_the_order_of_the_metrics(budgets):
    path = budgets(
        '[[budget]]\narm = "rtp"\np95 = { max = "100ms", max_increase = "5%" }\nshown = { min = "99%" }\n'
        '[[budget]]\nscenario = "loss"\narm = "srt"\np50 = { max = "200ms" }\nseeds = [7]\n'
        '[[budget]]\narm = "rtp"\ntrack = "chat"\nmax = { max = "1s" }\n'
    )
    read = load_budgets(path)
    assert [str(budget) for budget in read.budgets] == [
        "call.toml, rtp, video: p95 max 100ms",
        "call.toml, rtp, video: p95 max_increase 5%",
        "call.toml, rtp, video: shown min 99%",
        "loss, srt, video: p50 max 200ms",
        "call.toml, rtp, chat: max max 1s",
    ]
    assert [target.seeds for target in read.targets] == [(1, 2), (7,), (1, 2)]


def test_without_seeds_it_is_the_seed_of_the_scenario():
    assert parse_budgets(f'scenario = "loss"\n{GOOD}', "b.toml").targets[0].seeds == (1,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "b.toml:1: the field 'budget' is missing"),
        ("budget = []", "b.toml:1: budget: budgets are 1 to 100 tables, each under its own [[budget]]"),
        ("[budget]\n", "b.toml:1: budget: "),
        ("[[budget]]\n", "b.toml:1: budget[0]: the field 'arm' is missing"),
        (f"{GOOD}[", "b.toml is not valid TOML: "),
        (GOOD, "b.toml:1: budget[0]: names no scenario, and neither does the file: "),
        (f'scenario = "lose"\n{GOOD}', "b.toml:1: scenario: lose is neither a scenario file nor a shipped scenario ("),
        (f"scenario = 3\n{GOOD}", "b.toml:1: scenario: a scenario is a text: "),
        (f"seed = 3\n{GOOD}", "b.toml:1: seed: unknown field 'seed' (did you mean 'seeds'?); accepted: "),
        (f'scenario = "loss"\nseeds = 3\n{GOOD}', "b.toml:2: seeds: seeds are a list of 1 to 1000 whole numbers"),
        (f'scenario = "loss"\nseeds = [1, 1]\n{GOOD}', "b.toml:2: seeds: "),
        (f'scenario = "loss"\nseeds = []\n{GOOD}', "b.toml:2: seeds: "),
        (f'scenario = "loss"\nseeds = [true]\n{GOOD}', "b.toml:2: seeds: "),
        (
            'scenario = "loss"\n[[budget]]\narm = "rdp"\np95 = { max = "1s" }',
            "b.toml:3: budget[0].arm: unknown arm 'rdp' (did you mean 'udp'?); accepted: udp, rtp, srt, quic-datagram, "
            "quic-stream-per-frame, quic-stream-per-gop, quic-stream, quic-stream:stack=stock,control=cubic, "
            "quic-stream:stack=stock,control=reno, webtransport-datagram, webtransport-stream-per-frame "
            "(the arms of scenario loss)",
        ),
        (
            'scenario = "loss"\n[[budget]]\narm = "rtp"\ntrack = "chat"\np95 = { max = "1s" }',
            "b.toml:4: budget[0].track: scenario loss has no chat; accepted is 'video'",
        ),
        (
            '[[budget]]\nscenario = "loss"\narm = "rtp"\ntrack = "sound"\np95 = { max = "1s" }',
            "b.toml:4: budget[0].track: must be 'video' or 'chat', found 'sound'",
        ),
        ('[[budget]]\nscenario = "loss"\narm = "rtp"', "b.toml:1: budget[0]: holds no metric; accepted: p50, "),
        (
            '[[budget]]\nscenario = "loss"\narm = "rtp"\np96 = { max = "1s" }',
            "b.toml:4: budget[0].p96: unknown field 'p96' (did you mean 'p99'?); accepted: scenario, arm, ",
        ),
        (f'scenario = "loss"\n{GOOD}{GOOD}', "b.toml:5: budget[1]: there are two budgets of loss, rtp, video; put all"),
        (
            'scenario = "call.toml"\n[[budget]]\narm = "rtp"\ntrack = "chat"\nfreezes = { max = 0 }',
            f"b.toml:5: budget[0].freezes: is a metric of the video; accepted for chat: {OF_MESSAGES}",
        ),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence_with_the_line(call, text, sentence):
    assert refused(text).startswith(sentence)


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        ('p95 = "60ms"', "p95: needs a table such as { max = '60ms', max_increase = '5%' }, found '60ms'"),
        ("p95 = {}", "p95: sets no limit; accepted: max, max_increase"),
        ('p95 = { mx = "60ms" }', "p95.mx: unknown limit 'mx' (did you mean 'max'?); accepted: max, max_increase"),
        ('p95 = { min = "60ms" }', "p95.min: unknown limit 'min'"),
        ("p95 = { max = 60 }", "p95.max: a duration needs a text with a unit such as '20ms', found 60"),
        ('p95 = { max = "5%" }', "p95.max: unknown unit '%' in '5%'; a duration takes us, ms, s, min"),
        ('p95 = { max = "5Mbit/s" }', "p95.max: unknown unit 'Mbit/s'"),
        (
            'p95 = { max_increase = "5kB" }',
            "p95.max_increase: an increase is a share such as '5%' or a duration such as '3ms', found '5kB'",
        ),
        ("p95 = { max_increase = 5 }", "p95.max_increase: an increase is a share such as '5%' or a duration"),
        ('p95 = { max = "-5ms" }', "p95.max: a duration must look like '20ms', found '-5ms'"),
        ('freezes = { max = "3ms" }', "freezes.max: a number of freezes is a whole number from 0 on, without a unit"),
        ("freezes = { max = 1.5 }", "freezes.max: a number of freezes is a whole number"),
        ("freezes = { max = true }", "freezes.max: a number of freezes is a whole number"),
        ('freezes = { max_increase = "5%" }', "freezes.max_increase: a number of freezes is a whole number"),
        ('shown = { max = "99%" }', "shown.max: unknown limit 'max'"),
        ("shown = { min = 0.99 }", "shown.min: a share needs a text with a unit such as '1%', found 0.99"),
        ("vmaf = { min = 120 }", "vmaf.min: points are a number from 0 to 100, without a unit, found 120"),
        ('shown = { min = "120%" }', "shown.min: a share of the frames is at most 100%, found '120%'"),
        ('shown = { min = "99ms" }', "shown.min: unknown unit 'ms' in '99ms'; a share takes %"),
        (f"floor_ratio = {{ max = {10**9}9 }}", "floor_ratio.max: a ratio is a number such as 1.5, without a unit"),
        (f"freezes = {{ max = {10**400} }}", "freezes.max: a number of freezes is a whole number from 0 on"),
        ('floor_ratio = { max = "5ms" }', "floor_ratio.max: a ratio is a number such as 1.5, without a unit"),
        ("floor_ratio = { max = inf }", "floor_ratio.max: a ratio is a number such as 1.5, without a unit"),
        ("floor_ratio = { max = nan }", "floor_ratio.max: a ratio is a number such as 1.5, without a unit"),
        ('floor_ratio = { max_increase = "5ms" }', "floor_ratio.max_increase: unknown unit 'ms'"),
    ],
)
def test_a_limit_that_does_not_fit_the_metric_is_refused_by_name(metric, sentence):
    assert refused(f'[[budget]]\nscenario = "loss"\narm = "rtp"\n{metric}').startswith(
        f"b.toml:4: budget[0].{sentence}"
    )


def test_a_mistake_in_the_scenario_file_names_both_files(call, here: Path):
    (here / "call.toml").write_text((here / "call.toml").read_text().replace('"2s"', "4"))
    assert refused(f'scenario = "call.toml"\n{GOOD}').startswith("b.toml:1: scenario: call.toml:2: duration: ")


def test_files_that_are_none_are_one_sentence(here: Path):
    for path, content, sentence in (
        ("no.toml", None, "there is no file no.toml; expected a file of budgets"),
        ("latin.toml", b"\xff", "latin.toml is not a text in UTF-8, so it is no file of budgets"),
        ("big.toml", b"#" * (2**20 + 1), "big.toml is larger than 1048576 bytes, so it is no file of budgets"),
    ):
        if content is not None:
            Path(path).write_bytes(content)
        with pytest.raises(BudgetError) as caught:
            load_budgets(path)
        assert str(caught.value).startswith(sentence)
    with pytest.raises(BudgetError, match=r"cannot read file of budgets .*: Is a directory"):
        load_budgets(here)


QUIET = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(st.text())
def test_any_text_is_budgets_or_one_sentence(text: str):
    try:
        parse_budgets(text, "b.toml")
    except BudgetError as error:
        assert str(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["scenario", "arm", "track", "seeds", "p50", "p95", "max", "freezes", "shown", "floor_ratio"])
LIMITS = st.dictionaries(
    st.sampled_from(["max", "min", "max_increase", "max_decrease"]),
    VALUES | st.sampled_from(["5%", "1ms", "1e300s", "0%", 0, 10**400]),
)


@QUIET
@given(st.dictionaries(FIELDS, VALUES | LIMITS), st.booleans())
def test_any_fields_are_a_budget_or_one_sentence(fields: dict, with_target: bool):
    if with_target:
        fields |= {"scenario": "loss", "arm": "rtp", "track": "video", "seeds": [1]}
    try:
        single_budget(fields, name="x")
    except BudgetError as error:
        assert str(error)


@pytest.fixture
def recorded(budgets, measure_file) -> str:
    return baseline_text(
        measure_file(budgets('[[budget]]\narm = "rtp"\np95 = { max_increase = "5%" }')), command=["glass"]
    )


def put(text: str, *path: str | int, value: object) -> str:
    """The JSON with another value at a path."""
    content = json.loads(text)
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(content)


def test_a_baseline_says_with_what_it_was_made_and_is_the_same_twice(recorded, budgets, measure_file):
    content = json.loads(recorded)
    assert content["command"] == ["glass"]
    assert {"python", "numpy", "source", "x264", "glassbench"} <= set(content["versions"])
    entry = content["entries"][0]
    assert entry["seeds"] == [1, 2] and len(entry["metrics"]["p95"]["runs"]) == 2
    assert sum(entry["metrics"]["p95"]["stages_ms"]["mean"].values()) > 0
    again = measure_file(Path("budgets.toml"))
    assert baseline_text(again, command=["glass"]) == recorded


def test_a_baseline_read_back_has_the_numbers_that_were_measured(budgets, measure_file):
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max = "1s" }\nfloor_ratio = { max = 9 }')
    measured = measure_file(path)
    (numbers,) = measured.numbers.values()
    read = parse_baseline(baseline_text(measured, command=[]), "x.json")
    assert read.numbers == {("call.toml", "rtp", "video"): numbers}
    assert read.differing(measured.versions) == []


def test_a_baseline_damaged_anywhere_is_one_sentence(recorded):
    value = ("entries", 0, "metrics", "p95", "value")
    for text, sentence in (
        ("", "x.json is not valid JSON: "),
        ("[" * 100_000, "x.json is not valid JSON: "),
        ("[]", "x.json is not a baseline of budgets; make one with glass budget record"),
        ("{}", "x.json is not a baseline of budgets"),
        (put(recorded, "schema", value=7), "x.json has schema 7; this version of Glassbench reads 3"),
        (put(recorded, "world", value="live"), "x.json: world: must be one of virtual time; real time, "),
        (put(recorded, "entries", value=3), "x.json: entries: "),
        (put(recorded, "entries", 0, "fates", value={"gone": 1}), "x.json: entries[0].fates.gone: unknown fate 'gone'"),
        (put(recorded, "entries", 0, "fates", "lost", value=-1), "x.json: entries[0].fates.lost: "),
        (put(recorded, "entries", 0, "metrics", "p42", value={}), "x.json: entries[0].metrics.p42: "),
        (put(recorded, *value, value="61"), "x.json: entries[0].metrics.p95.value: "),
        (put(recorded, *value, value=float("nan")), "x.json is not valid JSON: NaN is not a number of JSON"),
        (put(recorded, *value, value=float("inf")), "x.json is not valid JSON: Infinity is not a number of JSON"),
        (put(recorded, *value, value=None), "x.json: entries[0].metrics.p95.value: "),
        (put(recorded, *value, value="-Infinity"), "x.json: entries[0].metrics.p95.value: "),
        (put(recorded, *value, value=-5), "x.json: entries[0].metrics.p95.value: "),
        (
            put(recorded, "entries", 0, "stages_ms", value={}),
            "x.json: entries[0].stages_ms: the field 'mean' is missing",
        ),
        (
            put(recorded, "entries", value=json.loads(recorded)["entries"] * 2),
            "x.json has two entries of call.toml, rtp",
        ),
        (put(recorded, "extra", value=1), "x.json: extra: unknown field 'extra'"),
    ):
        with pytest.raises(BudgetError) as caught:
            parse_baseline(text, "x.json")
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)


def test_a_baseline_cut_short_at_any_place_is_refused(recorded):
    for end in range(0, len(recorded) - 2, 211):
        with pytest.raises(BudgetError, match=r"^x\.json is not valid JSON"):
            parse_baseline(recorded[:end], "x.json")


SKELETON = {"schema": 2, "kind": "budget baseline", "world": "virtual time", "command": [], "versions": {}}
ENTRY = {
    "scenario": "a", "arm": "b", "track": "video", "seeds": [1], "fingerprint": "c", "fates": {},
    "stages_ms": {"mean": {}, "error": {}}, "metrics": {"p95": {"unit": "ms", "value": "Infinity", "runs": []}},
}  # fmt: skip


@QUIET
@given(st.text() | VALUES.map(json.dumps))
def test_any_text_is_a_baseline_or_one_sentence(text: str):
    with pytest.raises(BudgetError):
        parse_baseline(text, "x.json")


@QUIET
@given(st.sampled_from([*SKELETON, "entries"]), st.sampled_from([*ENTRY, None]), VALUES)
def test_any_value_in_a_field_of_a_baseline_is_read_or_one_sentence(outer: str, inner: str | None, value: object):
    content = {**SKELETON, "entries": [{**ENTRY, inner: value} if inner else ENTRY]}
    if inner is None:
        content[outer] = value
    try:
        parse_baseline(json.dumps(content), "x.json")
    except BudgetError as error:
        assert str(error)


def test_a_baseline_of_another_content_is_refused_whatever_changed(budgets, call, here, record):
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max_increase = "5%" }')
    baseline = record(path)
    require(load_budgets(path), baseline)
    scenario = (here / "call.toml").read_text()
    text = path.read_text()
    for changed_scenario, changed_text in (
        (scenario.replace("20ms", "30ms"), text),
        (scenario.replace("2Mbit/s", "3Mbit/s"), text),
        (scenario.replace('"rtp"', '{ transport = "rtp", label = "rtp", nack = false }'), text),
        (scenario, text.replace("[1, 2]", "[1, 3]")),
        (scenario, text.replace("[1, 2]", "[1]")),
    ):
        (here / "call.toml").write_text(changed_scenario)
        path.write_text(changed_text)
        with pytest.raises(BudgetError, match=r"was recorded with other content or seeds of call\.toml, rtp, video"):
            require(load_budgets(path), baseline)


def test_what_decides_nothing_does_not_make_a_baseline_foreign(budgets, call, here, record):
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max_increase = "5%" }')
    baseline = record(path)
    scenario = (here / "call.toml").read_text()
    (here / "call.toml").write_text(scenario.replace('"call"', '"other"').replace('"srt", ', '"udp", '))
    require(load_budgets(path), baseline)


def test_another_content_of_a_file_that_the_scenario_names_is_another_content(budgets, call, here):
    scenario = (here / "call.toml").read_text()
    (here / "call.toml").write_text(scenario.replace('rate = "8Mbit/s"', 'trace = "my.down"'))
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max = "1s" }')
    seen = set()
    for down, up in (("1\n2\n", "1\n2\n"), ("1\n3\n", "1\n2\n"), ("1\n2\n", "1\n3\n")):
        Path("my.down").write_text(down)
        Path("my.up").write_text(up)
        seen.add(fingerprint(load_budgets(path).targets[0]))
    assert len(seen) == 3


def test_a_baseline_knows_a_file_by_what_it_says_and_not_by_its_bytes(budgets, call, here):
    scenario = (here / "call.toml").read_text().replace('rate = "8Mbit/s"', 'trace = "my.down"')
    scenario = scenario.replace('source = "lognormal"', 'source = "sizes:sizes.txt"\nencode_cost = "recorded:ms.txt"')
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max = "1s" }')

    def seen() -> str:
        return fingerprint(load_budgets(path).targets[0])

    files = {"call.toml": scenario, "my.down": "1\n2\n5\n", "my.up": "1\n2\n"}
    files |= {"sizes.txt": "100 key\n50\n", "ms.txt": "1\n2\n"}
    for name, text in files.items():
        Path(name).write_text(text)
    first = seen()
    for name, text in files.items():
        mark = b"" if name == "call.toml" else b"\xef\xbb\xbf"
        Path(name).write_bytes(mark + f"# a comment\n{text}# another\n".replace("\n", "\r\n").encode())
    assert seen() == first
    for name, text in files.items():
        if name != "call.toml":
            Path(name).write_text(text.replace("2", "3").replace("50", "60"))
            assert seen() != first
            Path(name).write_text(text)
    assert seen() == first


def test_a_file_that_is_called_as_something_else_decides_nothing(budgets, call, here):
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max = "1s" }')
    before = fingerprint(load_budgets(path).targets[0])
    for name in ("rtp", "lognormal", "20ms", "drop-tail"):
        Path(name).write_text("nothing that a scenario means\n")
    assert fingerprint(load_budgets(path).targets[0]) == before


def test_the_columns_of_a_log_decide_what_it_says(budgets, call, here):
    scenario = (here / "call.toml").read_text()
    Path("log.csv").write_text("t,down,up\n0,5000,300\n1,6000,400\n")
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max = "1s" }')
    seen = set()
    for columns in ("time=t:s,rate=up:kbit/s", "time=t:s,rate=up:kbit/s,up=down:kbit/s", "time=t:ms,rate=up:kbit/s"):
        log = f'trace = "log.csv"\ntrace_columns = "{columns}"'
        (here / "call.toml").write_text(scenario.replace('rate = "8Mbit/s"', log))
        seen.add(fingerprint(load_budgets(path).targets[0]))
    assert len(seen) == 3


def test_a_limit_against_a_baseline_without_one_or_without_that_entry_is_refused_before_anything_runs(budgets, record):
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max_increase = "5%" }')
    with pytest.raises(BudgetError, match=r"rtp, video: p95 max_increase 5% needs a baseline: --baseline FILE"):
        require(load_budgets(path), None)
    baseline = record(path)
    budgets('[[budget]]\narm = "srt"\np95 = { max_increase = "5%" }')
    with pytest.raises(BudgetError, match=r"baseline\.json has no p95 of call\.toml, srt, video; record it again"):
        require(load_budgets(path), baseline)
    budgets('[[budget]]\narm = "rtp"\nfloor_ratio = { max_increase = "5%" }')
    with pytest.raises(BudgetError, match=r"has no floor_ratio of call\.toml, rtp, video; record it again"):
        require(load_budgets(path), baseline)


def test_there_is_no_baseline_file(here):
    with pytest.raises(BudgetError, match=r"there is no baseline no\.json; make one with glass budget record"):
        load_baseline("no.json")

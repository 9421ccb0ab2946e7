"""The locator of keys in TOML: against hand-counted lines, and against tomllib on generated documents."""

import json
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.scenario.toml_lines import KeyPath, key_lines, line_of

DOCUMENT = '''\
name = "a # not a comment"   # a comment with [brackets]
"quoted.key" = 1
text = """
several = "lines"
"""
arms = [
  "udp",  # first
  { transport = "srt", latency_ms = 200 },

  "rtp",
]
dotted.key.path = [[1, 2], [3]]

[network]
trace = 'C:\\path'
[[network.down]]
element = "delay"
[network.down.extra]
x = 1
[[network.down]]
element = "loss"
'''


def test_lines_are_those_counted_by_hand() -> None:
    lines = key_lines(DOCUMENT)
    assert lines["name",] == 1
    assert lines["quoted.key",] == 2
    assert lines["text",] == 3
    assert lines["arms",] == 6
    assert lines["arms", 0] == 7
    assert lines["arms", 1, "latency_ms"] == 8
    assert lines["arms", 2] == 10
    assert lines["dotted", "key", "path", 1, 0] == 12
    assert lines["network",] == 14
    assert lines["network", "trace"] == 15
    assert lines["network", "down", 0] == 16
    assert lines["network", "down", 0, "extra", "x"] == 19
    assert lines["network", "down", 1, "element"] == 21
    assert ("several",) not in lines


def test_a_path_that_is_not_written_has_the_line_of_what_is_around_it() -> None:
    lines = key_lines(DOCUMENT)
    assert line_of(lines, ("network", "down", 1, "rate", "x")) == 20
    assert line_of(lines, ("nowhere",)) == 1


_names = st.text(alphabet="abcdefghij", min_size=1, max_size=4) | st.sampled_from(["a.b", "#", "x = 1", "é", '"', "\\"])
_texts = st.text(alphabet="ab#[]{}=,'.\"\\ \té", max_size=8)
_values = st.recursive(
    st.integers(-9, 9) | st.booleans() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100)
@given(st.dictionaries(_names, _values, max_size=5))
def test_every_path_of_a_generated_document_is_found_on_its_own_line(content: dict[str, object]) -> None:
    blocks = [f"{_text(name)} = {_toml(value)}" for name, value in content.items()]
    document = "# head\n" + "\n".join(blocks)
    assert tomllib.loads(document) == content
    lines = key_lines(document)
    assert set(lines) == _paths(content, ())
    for line, name in enumerate(content, start=2):
        assert {line_of_path for path, line_of_path in lines.items() if path[0] == name} == {line}


def _paths(value: object, path: KeyPath) -> set[KeyPath]:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    own = {path} if path else set()
    return own.union(*(_paths(inner, (*path, key)) for key, inner in items))


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)

import pytest

from glassbench.sender.cost import DECODE_COSTS, ENCODE_COSTS, CostError, decode_cost, encode_cost


@pytest.mark.parametrize(("spec", "seconds"), [("fixed:2ms", 0.002), ("fixed:0.5s", 0.5), ("fixed:750us", 750e-6)])
def test_a_fixed_cost_is_the_same_for_every_frame(spec, seconds):
    cost = encode_cost(spec, width=640, height=272)
    assert [cost(0, True, None), cost(7, False, (320, 136))] == pytest.approx([seconds, seconds])


@pytest.mark.parametrize(("make", "table"), [(encode_cost, ENCODE_COSTS), (decode_cost, DECODE_COSTS)])
def test_named_costs_grow_with_the_picture(make, table):
    for name in table:
        small, large = (make(name, width=width, height=width // 2)(0, False, None) for width in (320, 1280))
        assert small == large == 0 if name == "none" else 0 < small < large < 0.1


def test_a_named_cost_is_that_of_the_size_that_was_encoded():
    cost = encode_cost("x264-ultrafast", width=1280, height=720)
    assert cost(0, False, None) == cost(0, False, (1280, 720))
    assert cost(0, False, (640, 360)) == encode_cost("x264-ultrafast", width=640, height=360)(0, False, None)


def test_recorded_costs_follow_the_sequence_and_repeat(tmp_path):
    path = tmp_path / "costs.txt"
    path.write_text("# ms\n1.5\n2\n\n30 # a slow one\n")
    cost = decode_cost(f"recorded:{path}", width=640, height=360)
    assert [cost(sequence, False, None) for sequence in range(4)] == pytest.approx([0.0015, 0.002, 0.03, 0.0015])


@pytest.mark.parametrize("spec", ["", "x264", "fixed:", "fixed:2", "fixed:-2ms", "fixed:100s", "recorded:", "h264"])
def test_an_unknown_cost_names_the_accepted_ones(spec):
    with pytest.raises(CostError):
        encode_cost(spec, width=640, height=360)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("", "has no durations"), ("1\nx\n", "line 2: 'x'"), ("-1\n", "line 1"), ("nan\n", "line 1"), ("1e9\n", "line 1")],
)
def test_a_bad_recording_is_refused_naming_the_line(tmp_path, content, sentence):
    path = tmp_path / "costs.txt"
    path.write_text(content)
    with pytest.raises(CostError, match=sentence):
        encode_cost(f"recorded:{path}", width=640, height=360)
    with pytest.raises(CostError, match="cannot read"):
        encode_cost(f"recorded:{path}.none", width=640, height=360)

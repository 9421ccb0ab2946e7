"""What a check says beside its verdicts: about few frames, and about arms that show nothing."""

from glassbench.experiments.budgets.text import explanation, sentence


def test_a_verdict_about_a_percentile_counts_the_frames_of_all_runs_and_says_if_they_are_few(
    budgets, here, check_file
) -> None:
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max = "5s" }\np99 = { max = "5s" }\nmax = { max = "5s" }')
    file = here / "call.toml"
    file.write_text(file.read_text().replace('"2s"', '"1s"'))
    report = check_file(path)
    few = "p99 of 60 frames says little: it takes 299 until the slowest bounds it with 95 % confidence"
    assert [explanation(verdict) for verdict in report.verdicts] == ["", few, ""]
    assert few in sentence(report.verdicts[1])
    assert not [note for note in report.notes if "little" in note]


def test_why_an_arm_shows_nothing_is_a_note_of_the_check(budgets, here, check_file) -> None:
    path = budgets('[[budget]]\narm = "srt"\np50 = { max = "5s" }')
    file = here / "call.toml"
    file.write_text(file.read_text().replace('"2s"', '"1s"').replace('"20ms"', '"20s"'))
    report = check_file(path)
    assert not report.kept
    assert [note for note in report.notes if note.startswith("never connected: no answer from ")]

"""The order of the arms of one run, and what is said of the soonest."""

import math
from pathlib import Path

from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.cli.table import summary_table
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.ranking import ranked_by
from glassbench.experiments.results.report.tables import soonest_first
from glassbench.experiments.scenario import build


def test_where_an_encoder_follows_the_soonest_arm_is_that_of_the_least_signal_delay() -> None:
    numbers = {"outcome": "measured", "captured": 100, "displayed": 90, "reason": None}
    fixed = {"g2g_p50_ms": 20.0, "g2g_p95_ms": 90.0, "signal_p95_ms": 80.0, "captured": 100}
    follows = {"g2g_p50_ms": 20.0, "g2g_p95_ms": math.inf, "signal_p95_ms": 40.0, "captured": 100}
    arms = [
        {"arm": "rtp", "outcome": "measured", "summary": fixed, "stats": {"follows": False}},
        {"arm": "adaptive", "outcome": "measured", "summary": follows, "stats": {"follows": True}},
    ]
    rows = [{**dict.fromkeys(metric.column for metric in METRICS.values()), **numbers, **fixed, "arm": "rtp"}]
    rows.append({**rows[0], **follows, "arm": "adaptive"})

    def order(by: tuple[str, ...]) -> list[object]:
        return list(summary_table(rows, title="title", by=by).columns[0].cells)

    assert answer(arms) == (
        "Soonest by the p95 signal delay, since an encoder follows the network, in this one run: adaptive (40 ms)."
    )
    assert order(ranked_by(arms)) == ["adaptive", "rtp"]
    assert [arm["arm"] for arm in sorted(arms, key=lambda arm: soonest_first(arm, ranked_by(arms)))] == [
        "adaptive",
        "rtp",
    ]
    neither = [{**arm, "stats": {"follows": False}} for arm in arms]
    assert answer(neither) == "Soonest for 95 % of all captured frames, in this one run: rtp (90 ms)."
    assert order(ranked_by(neither)) == ["rtp", "adaptive"]
    never = [{**arm, "summary": {**follows, "signal_p95_ms": math.inf}} for arm in arms]
    assert answer(never).startswith("After more than 5 % of its captures no arm showed anything any more")


def test_a_run_says_which_arms_have_an_encoder_that_follows(tmp_path: Path) -> None:
    plan = build(
        {
            "name": "follows",
            "duration": "500ms",
            "arms": ["quic-stream:control=bbr,encoder=follow", "udp"],
            "video": {"source": "lognormal"},
            "network": {"delay": "10ms"},
        }
    )
    done = run(plan, results=tmp_path, workers=1)
    assert [arm["stats"]["follows"] for arm in done.arms] == [True, False]

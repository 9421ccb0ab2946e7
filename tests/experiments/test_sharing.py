"""How flows share a segment, from tables that are made by hand: Jain's index, the use of the capacity, the queue."""

import math
from typing import Any

import pandas as pd
import pytest

from glassbench.experiments.account.sharing import Sharing, sharing
from glassbench.experiments.scenario import Scenario, build

SECONDS = 10
CAPACITY = 50_000.0  # bytes in 100 ms: 4 Mbit/s


def scenario(*flows: dict[str, Any], **network: Any) -> Scenario:
    content = {"name": "shared", "duration": f"{SECONDS}s", "arms": ["udp"], "video": {"source": "lognormal"}}
    other = {"name": "other", "transport": "rtp"}
    return build({**content, "network": {"rate": "4Mbit/s", **network}, "flow": list(flows) or [other]})


def shares(**rates: float) -> pd.DataFrame:
    """A flow table, from two seconds before the media on: what leaves per window, by flow."""
    rows = [
        {
            "flow": flow,
            "segment": "network",
            "direction": way,
            "at": at,
            "delivered_bytes": rate if way == "down" else 7,
        }
        for way in ("down", "up")
        for at in instants()
        for flow, rate in rates.items()
    ]
    return pd.DataFrame(rows)


def links(parts: pd.DataFrame, *, capacity: float = CAPACITY, backlog: float = 25_000.0) -> pd.DataFrame:
    """The link table of a flow table."""
    keys = ["segment", "direction", "at"]
    table = parts.groupby(keys, sort=False)["delivered_bytes"].sum().reset_index()
    return table.assign(capacity_bytes=capacity, backlog_bytes=backlog)


def instants() -> list[float]:
    return [round(window / 10, 6) for window in range(-20, 10 * SECONDS + 5)]


def shared(plan: Scenario, parts: pd.DataFrame, **columns: float) -> Sharing:
    return sharing(plan, links(parts, **columns), parts, now=1002.0 + SECONDS + 0.5)


def test_flows_with_equal_rates_have_index_one() -> None:
    numbers = shared(scenario(), shares(media=20_000, other=20_000))
    assert numbers == pytest.approx((1.0, 0.8, 0.05))


@pytest.mark.parametrize(("rates", "index"), [((30_000, 10_000), 0.8), ((40_000, 4_000), 44**2 / (2 * (40**2 + 4**2)))])
def test_unequal_rates_have_the_index_of_the_formula(rates: tuple[float, float], index: float) -> None:
    numbers = shared(scenario(), shares(media=rates[0], other=rates[1]))
    assert numbers.jain == pytest.approx(index) and numbers.utilisation == pytest.approx(sum(rates) / CAPACITY)


def test_a_flow_that_gets_nothing_leaves_one_over_the_number_of_flows() -> None:
    assert shared(scenario(), shares(media=40_000, other=0)).jain == pytest.approx(1 / 2)
    assert shared(scenario(), shares(media=40_000)).jain == pytest.approx(1 / 2)  # it has no row at all
    third = [{"name": name, "transport": "udp"} for name in ("other", "third")]
    assert shared(scenario(*third), shares(media=40_000, other=0, third=0)).jain == pytest.approx(1 / 3)


def test_nothing_at_all_has_no_index_and_uses_nothing() -> None:
    numbers = shared(scenario(), shares(media=0, other=0), backlog=0.0)
    assert math.isnan(numbers.jain) and (numbers.utilisation, numbers.queue_p50) == (0.0, 0.0)


def test_without_a_capacity_the_rates_are_compared_and_nothing_else() -> None:
    numbers = shared(scenario(), shares(media=20_000, other=20_000), capacity=math.nan)
    assert numbers.jain == pytest.approx(1.0) and math.isnan(numbers.utilisation) and math.isnan(numbers.queue_p50)


def test_an_outage_is_no_error() -> None:
    numbers = shared(scenario(), shares(media=0, other=0), capacity=0.0)
    assert math.isnan(numbers.jain) and not numbers.utilisation > 0


def test_only_the_time_in_which_all_flows_send_counts() -> None:
    late = {"name": "other", "transport": "rtp", "start": "4s", "stop": "8s"}
    parts = shares(media=20_000, other=20_000)
    outside = (parts["at"] < 4 - 0.01) | (parts["at"] > 8 - 0.01)
    parts.loc[outside & (parts["flow"] == "media"), "delivered_bytes"] = 45_000
    parts.loc[outside & (parts["flow"] == "other"), "delivered_bytes"] = 0
    assert shared(scenario(late), parts) == pytest.approx((1.0, 0.8, 0.05))
    after = [{"name": "media", "stop": "3s"}, late]
    assert all(math.isnan(each) for each in shared(scenario(*after), parts))


def test_a_flow_the_other_way_and_one_alone_share_nothing() -> None:
    back = {"name": "other", "transport": "rtp", "from": "receiver", "to": "sender"}
    parts = shares(media=20_000, other=20_000)
    assert all(math.isnan(each) for each in shared(scenario(back), parts))
    assert all(math.isnan(each) for each in shared(scenario({"name": "media"}), parts))


def test_flows_without_a_segment_in_common_share_nothing() -> None:
    apart = [{"name": "media", "over": ["network"]}, {"name": "other", "transport": "rtp", "over": ["far"]}]
    assert all(math.isnan(each) for each in shared(scenario(*apart, far={"delay": "5ms"}), shares(media=1, other=1)))


def test_a_run_that_broke_off_before_the_media_shares_nothing() -> None:
    parts = shares(media=0, other=0)
    early = parts[parts["at"] < -1.5]
    assert all(math.isnan(each) for each in sharing(scenario(), links(early), early, now=1000.5))

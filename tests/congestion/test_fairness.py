"""Two flows that fill one link: what each gets, and what both leave unused."""

from statistics import median

import pytest

SECONDS = 60.0


@pytest.mark.lengthy
@pytest.mark.parametrize("name", ["reno", "cubic"])
def test_two_flows_of_a_kind_share_a_link_that_neither_leaves_idle(name, bottleneck):
    fair, used = [], []
    for start in (1.0, 2.6, 5.0):
        path = bottleneck([name, name], [0.0, start]).run(SECONDS)
        total = sum(path.delivered)
        fair.append(total**2 / (2 * sum(each**2 for each in path.delivered)))  # Jain's index
        used.append(total / path.rate / (SECONDS - start))
    assert median(fair) > 0.95
    assert min(used) > 0.9

"""MoQ's datagrams come in order of their numbers, whatever the threads of a relay do to them."""

import asyncio

import pytest

from glassbench.experiments.worlds.peers.moq import _InOrder
from glassbench.experiments.worlds.peers.outlet import Outlet


@pytest.mark.parametrize(
    ("numbers", "given"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 2, 1, 3], [0, 1, 2, 3]),  # overtaken
        ([0, 3, 2, 4], [0, 2, 3, 4]),  # 1 is lost: the others wait for it, and then they do not
        ([1, 1, 0, 0, 2], [0, 1, 2]),  # repeated
        ([5, 4], [4, 5]),  # a reader that joins late
    ],
)
def test_datagrams_that_were_overtaken_are_put_in_order_and_none_waits_for_ever(
    numbers: list[int], given: list[int]
) -> None:
    outlet = Outlet()

    async def read() -> None:
        order = _InOrder(outlet)
        for number in numbers:
            order.add(number, bytes([number]))
        await asyncio.sleep(0.05)

    asyncio.run(read())
    assert [each.data[0] for each in outlet.take()] == given

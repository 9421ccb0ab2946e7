"""Contract tests for parts that others write: a transport, a congestion controller, an element of a path.

    from glassbench.testing import Broken, check_controller, check_element, check_transport

    def test_mine():
        check_transport(MY_ENTRY)
        check_controller(MyController)
        check_element(lambda rng: MyLoss(0.1, rng))

A checker runs the part through the simulator and raises `Broken`, which names the first demand that is not met; its
docstring lists all of them. Names are looked up on first use, as in `glassbench`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glassbench.demands import Broken
    from glassbench.experiments.worlds.testing.check_transport import check_transport
    from glassbench.netem.testing.check_element import check_element
    from glassbench.transport.congestion.testing import check_controller

_HOMES = {
    "Broken": "demands",
    "check_controller": "transport.congestion.testing",
    "check_element": "netem.testing.check_element",
    "check_transport": "experiments.worlds.testing.check_transport",
}

__all__ = ["Broken", "check_controller", "check_element", "check_transport"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"glassbench.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

"""The options that an arm takes, with what each accepts: for lists, help and completion."""

from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from glassbench.experiments.scenario.arm_spec import ENCODERS, option_text
from glassbench.experiments.scenario.peers import PeerEntry
from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.quic.options import STOCK_CONTROLS
from glassbench.transport.registry import TransportEntry, complete_options
from glassbench.transport.rtp.session import NO_CONTROL


@dataclass(frozen=True, slots=True)
class ArmOption:
    """An option by its name. `accepted` are all its values; it is empty for a number or a free text."""

    name: str
    default: str
    accepted: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What a list of options says of it, the default first."""
        others = [value for value in self.accepted if value != self.default]
        return f"{self.name}={self.default}" + (f" (or {', '.join(others)})" if others else "")


def arm_options(entry: TransportEntry) -> list[ArmOption]:
    """The options of a peer; or of a transport, and those that all transports take."""
    kinds = get_type_hints(entry.options)
    defaults: dict[str, Any] = {field.name: field.default for field in fields(entry.options)}
    options = [
        ArmOption(name, option_text(default), _accepted(entry, name, default, kinds[name]))
        for name, default in defaults.items()
    ]
    if isinstance(entry, PeerEntry):
        return options
    if entry.cannot_lead(defaults) is None or _leads_with_control(entry, defaults):
        options.append(ArmOption("encoder", entry.usual_encoder(defaults), ENCODERS))
    return [*options, ArmOption("slices", "1")]


def _accepted(entry: TransportEntry, name: str, default: object, kind: Any) -> tuple[str, ...]:
    if kind is bool:
        return ("true", "false")
    if literals := get_args(kind):
        return tuple(option_text(value) for value in literals)
    if not isinstance(default, str) or isinstance(entry, PeerEntry):
        return ()
    return tuple(value for value in _NAMES if _takes(entry, {name: value}))


_NAMES = (*CONTROLLERS, *(name for name in STOCK_CONTROLS if name not in CONTROLLERS), NO_CONTROL)
"""What an option whose value is a name can be: those that chooses of a table choose a controller."""


def _takes(entry: TransportEntry, options: dict[str, object]) -> bool:
    try:
        complete_options(entry, options)
    except ValueError:
        return False
    return True


def _leads_with_control(entry: TransportEntry, defaults: dict[str, Any]) -> bool:
    """Whether some controller lets its encoder follow, though the default does not."""
    return "control" in defaults and any(
        entry.cannot_lead({**defaults, "control": name}) is None for name in _NAMES if _takes(entry, {"control": name})
    )

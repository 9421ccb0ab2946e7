"""An arm of a comparison: a transport with options, "srt:latency_ms=200" or { transport = "srt", latency_ms = 200 }; a
`label` among them is its name in tables."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import PlainSerializer, PlainValidator

from glassbench.experiments.scenario.arm_table import ARMS, options_of
from glassbench.experiments.scenario.peers import PeerEntry
from glassbench.experiments.scenario.schema import Spec, invalid, unknown
from glassbench.transport.plugins import PluginError
from glassbench.transport.registry import EncoderChoice
from glassbench.transport.slices import MOST_SLICES

Option = bool | int | float | str
_LONGEST_LABEL = 200

ENCODERS: tuple[EncoderChoice, ...] = get_args(EncoderChoice)


class ArmSpec(Spec):
    """A transport or a peer by its name, the options that were given, and a label, unique in its scenario.

    `encoder` says whether the encoder has a constant rate, or follows the network as the transport sees it; without it
    the transport decides. A picture leaves in `slices`, the first while the others are encoded. Both stand among the
    options of an arm.
    """

    transport: str
    label: str
    options: tuple[tuple[str, Option], ...] = ()
    encoder: EncoderChoice = "fixed"
    slices: int = 1

    def table(self) -> dict[str, Any]:
        """The table that stands for it in a scenario."""
        usual = ARMS[self.transport].usual_encoder(options_of(self.transport, dict(self.options)))
        chosen: dict[str, Any] = {} if self.encoder == usual else {"encoder": self.encoder}
        if self.slices > 1:
            chosen["slices"] = self.slices
        return {"transport": self.transport, "label": self.label, **dict(self.options), **chosen}


def parse_arm(value: Any) -> ArmSpec:
    """An arm from a text or a table. Raises an error with one sentence for an unknown transport or a bad option."""
    if isinstance(value, ArmSpec):
        return value
    if isinstance(value, str):
        name, typed = _split(value)
        return _arm(name, typed, label=typed.pop("label", value))
    if not isinstance(value, Mapping):
        raise invalid(f"an arm is a text such as 'srt:latency_ms=200' or a table with 'transport', found {value!r}")
    options = {str(key): item for key, item in value.items() if key not in ("transport", "label")}
    transport, label = value.get("transport"), value.get("label")
    if transport is None:
        raise invalid("an arm needs the field 'transport'")
    if label is None:
        label = str(transport) + "".join(
            f"{',' if index else ':'}{key}={option_text(item)}" for index, (key, item) in enumerate(options.items())
        )
    return _arm(transport, options, label=label, path=("transport",))


Arm = Annotated[ArmSpec, PlainValidator(parse_arm), PlainSerializer(ArmSpec.table, return_type=dict[str, Any])]


def _checked_label(label: object) -> str:
    if not isinstance(label, str) or not label.strip() or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise invalid(
            f"a label is a printable text of up to {_LONGEST_LABEL} characters (an arm has its own with label=NAME), "
            f"found {label!r}",
            "label",
        )
    return label


def carries_messages(arm: ArmSpec) -> bool:
    """Whether messages can go beside its video. All transports of ours carry them, or are unsupported with them."""
    entry = ARMS[arm.transport]
    return not isinstance(entry, PeerEntry) or "data" in entry.media


def _arm(transport: object, options: dict[str, Any], *, label: object, path: tuple[str, ...] = ()) -> ArmSpec:
    try:
        if not isinstance(transport, str) or transport not in ARMS:
            raise invalid(unknown("transport", transport, ARMS), *path)
    except PluginError as error:
        raise invalid(str(error), *path) from None
    own = {name: value for name, value in options.items() if name not in ("encoder", "slices")}
    try:
        encoder = _encoder(transport, options_of(transport, own), options.get("encoder"))
        slices = _slices(transport, options.get("slices", 1))
    except ValueError as error:
        about = [name for name in options if name in str(error)]
        raise invalid(str(error), *(about[:1] if path else ())) from None
    return ArmSpec.model_construct(
        transport=transport, label=_checked_label(label), options=tuple(own.items()), encoder=encoder, slices=slices
    )


def _encoder(transport: str, options: dict[str, Any], asked: object) -> EncoderChoice:
    """How the encoder of an arm is led. Raises ValueError."""
    entry = ARMS[transport]
    chosen = entry.usual_encoder(options) if asked is None else asked
    if chosen not in ENCODERS:
        raise ValueError(f"transport {transport}: option 'encoder' must be {' or '.join(ENCODERS)}, got {asked!r}")
    if chosen == "follow" and (reason := entry.cannot_lead(options)) is not None:
        raise ValueError(f"transport {transport}: encoder=follow is not possible: {reason}")
    return "follow" if chosen == "follow" else "fixed"


def _slices(transport: str, asked: object) -> int:
    """In how many slices the pictures of an arm leave. Raises ValueError."""
    if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= MOST_SLICES:
        raise ValueError(f"transport {transport}: option 'slices' must be 1 to {MOST_SLICES}, got {asked!r}")
    return asked


def _split(text: str) -> tuple[str, dict[str, Option]]:
    transport, _, rest = text.partition(":")
    options: dict[str, Option] = {}
    for item in filter(None, rest.split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise invalid(f"options of an arm are name=value, found {item!r} in {text!r}")
        if name in options:
            raise invalid(f"option {name!r} is given twice in {text!r}")
        options[name.strip()] = _value(value.strip())
    return transport, options


def _value(text: str) -> Option:
    """A value as TOML would read it, and a bare word as a text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def option_text(value: object) -> str:
    """An option's value as it is typed behind --arm."""
    return str(value).lower() if isinstance(value, bool) else str(value)

"""What all parts of a scenario share: strict frozen models, fields with units, and values chosen from a table."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from glassbench.experiments.scenario.units import DURATION, FRACTION, RATE, SIZE, Quantity, UnitError
from glassbench.transport.plugins import PluginError


class Spec(BaseModel):
    """A part of a scenario: a frozen value, equal to another if all their fields are equal. Unknown fields are
    refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _knows_all_fields(cls, value: Any) -> Any:
        """Refuse an unknown field by a sentence that names the known ones."""
        if isinstance(value, Mapping):
            cls.refuse_unknown(value)
        return value

    @classmethod
    def refuse_unknown(cls, names: Iterable[object]) -> None:
        """Raise the error about the first of these names that is no field."""
        fields = [field.alias or name for name, field in cls.model_fields.items()]
        for name in names:
            if name not in fields:
                raise invalid(unknown("field", name, fields), str(name))

    def dump(self) -> dict[str, Any]:
        """The value as it would stand in a file: texts with units, tables and lists. `model_validate` rebuilds it."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


def invalid(message: str, *path: str | int) -> PydanticCustomError:
    """The error of a validator: one sentence, about the part of the value that `path` names."""
    return PydanticCustomError("scenario", "{message}", {"message": message, "path": path})


def unknown(what: str, given: object, accepted: Iterable[str]) -> str:
    """The sentence about a name that is not known, with the nearest one that is known."""
    names = list(accepted)
    near = difflib.get_close_matches(str(given), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {what} {given!r}{hint}; accepted: {', '.join(names)}"


def checked(check: Callable[[Any], Any]) -> BeforeValidator:
    """A validator from a function that raises ValueError with one sentence."""

    def validate(value: Any) -> Any:
        try:
            return check(value)
        except ValueError as error:
            raise invalid(str(error)) from None

    return BeforeValidator(validate)


def chosen_by(tag: str, table: Mapping[str, type[Spec]], *, default: str | None = None) -> PlainValidator:
    """A table whose field `tag` names one of the models in `table`. The table is looked at when there is a value."""

    def validate(value: Any) -> Spec:
        if isinstance(value, Spec) and isinstance(value, table.get(getattr(value, tag, ""), ())):
            return value
        if not isinstance(value, Mapping):
            raise invalid(f"needs a table such as {{ {tag} = {next(iter(table))!r}, ... }}, found {value!r}")
        name = value.get(tag, default)
        if name is None:
            raise invalid(f"has no field {tag!r}; accepted: {', '.join(table)}")
        try:
            if not isinstance(name, str) or name not in table:
                raise invalid(unknown(tag, name, table), tag)
            model = table[name]
        except PluginError as error:
            raise invalid(str(error), tag) from None
        return model.model_validate(value)

    return PlainValidator(validate)


dumped = PlainSerializer(Spec.dump, return_type=dict[str, Any])


def _quantity(kind: Quantity, *, positive: bool = False) -> tuple[BeforeValidator, PlainSerializer]:
    def parse(text: Any) -> float:
        value = kind.parse(text)
        if positive and value == 0:
            raise UnitError(f"{kind.name} must be above 0 here, found {text!r}")
        return value

    return checked(parse), PlainSerializer(kind.format, return_type=str)


Duration = Annotated[float, *_quantity(DURATION)]
PositiveDuration = Annotated[float, *_quantity(DURATION, positive=True)]
Rate = Annotated[float, *_quantity(RATE, positive=True)]
Size = Annotated[float, *_quantity(SIZE, positive=True)]
Fraction = Annotated[float, *_quantity(FRACTION)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

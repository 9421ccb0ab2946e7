"""Tables to which packages of users add entries, by entry points. An entry is loaded once, when it is used."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

T = TypeVar("T")


class PluginError(ValueError):
    """An entry of a package cannot be used: the message names the package and the entry point, and says what is
    wrong."""


class PluginTable(Mapping[str, T], Generic[T]):
    """Our `own` entries, and behind them those of the entry points of `group`, in the order of their names.

    The name of an entry point is the name in the table. The entry points are looked up when somebody asks for a name
    that is none of ours, and one of them is loaded when its value is asked for. `check(name, loaded)` gives the entry,
    or raises ValueError with what is wrong with it. The table raises PluginError.
    """

    def __init__(self, group: str, own: dict[str, T], check: Callable[[str, object], T]) -> None:
        self.group = group
        self.own = own
        self._check = check
        self._points: dict[str, EntryPoint] | None = None
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(self._plugins()[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from self._plugins()

    def __len__(self) -> int:
        return len(self.own) + len(self._plugins())

    def _plugins(self) -> dict[str, EntryPoint]:
        if self._points is None:
            points: dict[str, EntryPoint] = {}
            for point in sorted(entry_points(group=self.group), key=lambda point: (point.name, point.value)):
                if point.name in self.own:
                    raise _refusal(point, "Glassbench itself has that name; take another one")
                first = points.setdefault(point.name, point)
                if first.value != point.value:
                    raise _refusal(point, f"{_package(first)} has that name too; one of them needs another one")
            self._points = points
        return self._points

    def _load(self, point: EntryPoint) -> T:
        try:
            loaded = point.load()
        except Exception as error:
            raise _refusal(point, f"it cannot be imported, {type(error).__name__}: {error}") from error
        try:
            return self._check(point.name, loaded)
        except ValueError as error:
            raise _refusal(point, str(error)) from None


def _refusal(point: EntryPoint, reason: str) -> PluginError:
    return PluginError(f"{_package(point)}, entry point {point.group}: {point.name} = {point.value}: {reason}")


def _package(point: EntryPoint) -> str:
    return "a package" if point.dist is None else f"package {point.dist.name} {point.dist.version}"

"""How many frames the records of all viewers may be of: twenty of them who watch for hours would fill any memory."""

from weakref import WeakKeyDictionary

BLOCK = 100  # frames that a viewer takes at once


class KeptFrames:
    """Room for so many frames. Whose records are gone from memory has given it back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def take(self, viewer: object, most: int) -> bool:
        """Whether a viewer, who may have `most`, has room for BLOCK more."""
        own = self._taken.get(viewer, 0)
        if own + BLOCK > most or sum(self._taken.values()) + BLOCK > self._most:
            return False
        self._taken[viewer] = own + BLOCK
        return True

"""The error of a world that did not account for something."""


class LedgerError(AssertionError):
    """The ledger contradicts itself: a defect of this program, never of its input."""

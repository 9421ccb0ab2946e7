"""One account of an arm: the ledger, the links, the numbers and the notes, whatever world it ran in."""

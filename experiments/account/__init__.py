"""One account of an arm, whatever world it ran in: the ledger, the links, the numbers and the notes."""

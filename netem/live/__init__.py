"""The same endpoints and paths on real UDP sockets, by the clock of the machine."""

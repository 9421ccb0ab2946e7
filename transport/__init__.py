"""How frames become datagrams and come back: one file per protocol, all sans-IO behind `transport.contract`."""

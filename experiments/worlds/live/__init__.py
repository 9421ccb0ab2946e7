"""Arms on real sockets: sender, relay and receiver as processes of this host."""

"""Arms on real sockets of this machine: sender, emulator and receiver are processes."""

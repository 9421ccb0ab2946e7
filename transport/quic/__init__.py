"""What the QUIC and WebTransport arms share: aioquic tamed, ways to carry frames, two schedulers."""

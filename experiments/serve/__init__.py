"""A server that anybody with a browser can watch: WebTransport for the stream, plain HTTP for the page."""

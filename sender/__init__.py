"""Pixels to frames, on time: everything between a source and a transport.

- `sources`: the table of sources; `source`, `video_file`, `synthetic`: pictures; `size_model`: sizes without pictures.
- `stamp`: frame number and capture time, drawn into the pixels (the code is `transport.stamp_code`).
- `encoder`: settings, the table of encoders, one picture in and one access unit out; `encode_cache`: once for all arms.
- `cost`: what encoding and decoding cost in virtual time.
- `messages`: the second track.
- `pipeline`: the endpoint that puts it together; `record`: its half of the ledger.

    source = open_source("bikes", SourceRequest(fps=Fraction(30)))
    encoder = CachedEncoder(source, EncoderSettings(bitrate_bps=4_000_000), EncodeCache(default_directory()))
    cost = encode_cost("x264-ultrafast", width=source.width, height=source.height)
    pipeline = SenderPipeline(
        transport, encoder, track=track, fps=source.fps, start_at=1002.0, duration=10.0, encode_cost=cost
    )
"""

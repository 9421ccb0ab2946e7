"""Datagrams to pixels, on time: everything between a transport and the screen.

- `jitter_buffer`: frames in order, bounded waiting for what is missing; `playout`: when a frame is to be shown.
- `decoder`: one access unit in, one picture out, nothing concealed; `stamp`: reads the pixels' own account back.
- `pipeline`: the endpoint that puts it together; `record`: its half of the ledger; `shown`: what was on the screen.
- `quality`: PSNR and SSIM of the screen against the source, freezes included, after the run.

    pipeline = ReceiverPipeline(
        transport, VideoDecoder("h264"), video=track, playout=parse_playout("immediate"), decode_cost=cost
    )
"""

"""Datagrams to pixels, on time: everything between a transport and the screen.

- `jitter_buffer`: frames in order, bounded waiting for what is missing; `playout`: when a frame is to be shown.
- `decoder`: one access unit in, one picture out, nothing concealed; `stamp`: reads the pixels' own account back.
- `pipeline`: the endpoint that puts it together; `record`: its half of the ledger; `shown`: what was on the screen.
- `viewing`: what was on the screen in the place of each source instant; `quality`: PSNR and SSIM of that against the
  source, freezes included, after the run; `vmaf`: the same by VMAF.

    pipeline = ReceiverPipeline(
        transport, VideoDecoder("h264"), video=track, playout=parse_playout("immediate"), decode_cost=cost
    )
"""

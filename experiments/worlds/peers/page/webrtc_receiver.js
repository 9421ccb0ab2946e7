// The receiving end: it gives each picture as soon as the track has it to be drawn.
"use strict";

const MOST_BUFFERED = 30; // pictures
Object.assign(counted, { displayed: 0, not_copied: 0 });

const role = {
  side: RTCRtpReceiver,

  async open(connection, { playout }) {
    connection.addEventListener("track", ({ track, receiver }) => {
      if (playout === "zero") receiver.jitterBufferTarget = 0;
      read(new MediaStreamTrackProcessor({ track, maxBufferSize: MOST_BUFFERED }).readable.getReader()).catch(fail);
    });
  },

  take() {
    throw new Error("no picture is for a receiver");
  },
};

async function read(reader) {
  for (let next = await reader.read(); !next.done; next = await reader.read()) give(next.value);
}

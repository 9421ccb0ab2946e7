// The sending end: a track of the pictures that come by the socket, each behind its time.
"use strict";

const TIME_BYTES = 8;
Object.assign(counted, { not_written: 0 });

const role = {
  side: RTCRtpSender,

  async open(connection, { codec, width, height, fps, bitrate }) {
    this.size = { codedWidth: width, codedHeight: height };
    const generator = new MediaStreamTrackGenerator({ kind: "video" });
    this.writer = generator.writable.getWriter();
    const transceiver = connection.addTransceiver(generator, {
      direction: "sendonly",
      sendEncodings: [{ maxBitrate: bitrate, maxFramerate: fps }],
    });
    transceiver.setCodecPreferences(codecs(codec));
    const parameters = transceiver.sender.getParameters();
    parameters.degradationPreference = "maintain-resolution"; // a smaller picture would be another stamp
    await transceiver.sender.setParameters(parameters);
  },

  take(data) {
    if (this.writer.desiredSize <= 0) {
      counted.not_written += 1;
      return;
    }
    const timestamp = new DataView(data).getFloat64(0); // microseconds
    const picture = new VideoFrame(new Uint8Array(data, TIME_BYTES), { format: "I420", timestamp, ...this.size });
    this.writer.write(picture).catch(fail);
  },
};

// A peer connection. `role` says what is at this end of it; descriptions go by way of the socket.
"use strict";

const TELL_EVERY = 100; // ms
const KEPT = ["outbound-rtp", "inbound-rtp", "remote-inbound-rtp", "media-source", "transport", "codec"];

const connection = new RTCPeerConnection();

Object.assign(orders, {
  picture: ({ data }) => role.take(data),

  async open(wanted) {
    if (!codecs(wanted.codec).some(isVideo(wanted.codec))) {
      tell("refused");
      return;
    }
    const camera = await navigator.mediaDevices.getUserMedia({ video: true }); // who may not has no addresses
    camera.getTracks().forEach((track) => track.stop());
    connection.addEventListener("connectionstatechange", () => tell("state", { state: connection.connectionState }));
    await role.open(connection, wanted);
    tell("ready");
  },

  async offer() {
    await describe();
  },

  async description(theirs) {
    await connection.setRemoteDescription(theirs);
    if (theirs.type === "offer") await describe();
    setInterval(tellStats, TELL_EVERY);
  },

  async close() {
    connection.close();
    tell("state", { state: connection.connectionState });
  },
});

const isVideo = (name) => ({ mimeType }) => mimeType.toLowerCase() === `video/${name}`;

// The codec, and what repairs it.
function codecs(name) {
  const able = role.side.getCapabilities("video").codecs;
  return able.filter((codec) => [name, "rtx", "red", "ulpfec"].some((each) => isVideo(each)(codec)));
}

// Tells the local description once it has all candidates.
async function describe() {
  await connection.setLocalDescription();
  while (connection.iceGatheringState !== "complete") {
    await new Promise((then) => connection.addEventListener("icegatheringstatechange", then, { once: true }));
  }
  const { type, sdp } = connection.localDescription;
  tell("description", { type, sdp });
}

async function tellStats() {
  if (connection.connectionState === "closed") return;
  const report = await connection.getStats();
  const all = [...report.values()];
  const { selectedCandidatePairId } = all.find(({ type }) => type === "transport") ?? {};
  const pair = report.get(selectedCandidatePairId);
  const chosen = [
    ...all.filter(({ type }) => KEPT.includes(type)), pair, report.get(pair?.localCandidateId),
  ].filter(Boolean);
  tell("stats", { stats: Object.fromEntries(chosen.map((each) => [each.type, each])), counted });
}

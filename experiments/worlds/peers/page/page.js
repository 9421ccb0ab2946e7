// Plays what it is told to, and gives each picture that is displayed.
"use strict";

const TELL_EVERY = 250; // ms

const video = document.querySelector("video");
let told = 0; // pictures were displayed when it told last
Object.assign(counted, { displayed: 0, not_copied: 0, stalls: 0, seeks: 0 });

video.addEventListener("waiting", () => { counted.stalls += 1; });
video.addEventListener("seeking", () => { counted.seeks += 1; });

orders.play = (wanted) => {
  player.start(video, wanted, fail);
  video.requestVideoFrameCallback(show);
  setInterval(() => {
    if (counted.displayed === told) return; // its latency grows for ever once the media is over
    told = counted.displayed;
    const { droppedVideoFrames } = video.getVideoPlaybackQuality();
    tell("told", { player: player.told(video), counted: { ...counted, dropped: droppedVideoFrames } });
  }, TELL_EVERY);
};

function show() {
  video.requestVideoFrameCallback(show);
  give(new VideoFrame(video));
}

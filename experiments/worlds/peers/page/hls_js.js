// hls.js as the player of the page.
"use strict";

const TOLD = [
  "lowLatencyMode", "liveSyncDuration", "liveSyncDurationCount", "liveMaxLatencyDuration", "liveSyncOnStallIncrease",
  "maxLiveSyncPlaybackRate", "maxBufferLength", "backBufferLength", "enableWorker",
];

const player = {
  start(video, { url, settings }, fail) {
    this.hls = new Hls(settings);
    this.hls.on(Hls.Events.ERROR, (event, { fatal, details, error }) => {
      if (fatal) fail(`${details}: ${error.message}`);
    });
    this.hls.loadSource(url);
    this.hls.attachMedia(video);
  },

  told(video) {
    const { config, latestLevelDetails: playlist } = this.hls;
    return {
      version: Hls.version,
      target_latency_s: this.hls.targetLatency,
      latency_s: this.hls.latency,
      playback_rate: video.playbackRate,
      part_target_s: playlist?.partTarget ?? null,
      part_hold_back_s: playlist?.partHoldBack ?? null,
      config: Object.fromEntries(TOLD.map((name) => [name, config[name] ?? null])),
    };
  },
};

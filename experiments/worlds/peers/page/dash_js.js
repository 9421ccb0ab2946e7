// dash.js as the player of the page.
"use strict";

const player = {
  start(video, { url, settings }, fail) {
    this.dash = dashjs.MediaPlayer().create();
    this.dash.updateSettings(settings);
    const { ERROR, PLAYBACK_ERROR } = dashjs.MediaPlayer.events;
    this.dash.on(ERROR, ({ error }) => { this.error = `${error.code}: ${error.message}`; }); // it may go on
    this.dash.on(PLAYBACK_ERROR, ({ error }) => fail(`${error.code}: ${error.message}`));
    this.dash.initialize(video, url, true);
  },

  told(video) {
    const { delay, liveCatchup, buffer, scheduling, utcSynchronization } = this.dash.getSettings().streaming;
    return {
      version: this.dash.getVersion(),
      target_latency_s: this.dash.getTargetLiveDelay(),
      latency_s: this.dash.getCurrentLiveLatency(),
      low_latency_mode: this.dash.getLowLatencyModeEnabled(),
      playback_rate: video.playbackRate,
      last_error: this.error ?? null,
      settings: {
        delay,
        liveCatchup,
        lowLatencyStallThreshold: buffer.lowLatencyStallThreshold,
        lowLatencyTimeout: scheduling.lowLatencyTimeout,
        utcSynchronization: utcSynchronization.enabled,
      },
    };
  },
};

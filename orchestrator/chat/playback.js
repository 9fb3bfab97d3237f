// @ts-check
/** Playback of one answer after the other: fragmented MP4 in a `<video>`, by Media Source Extensions. */

/** Seconds of an answer that are there before it begins to play. */
const LEAD_SECONDS = 0.2;
/** Seconds that stay behind the play position; what is older is removed, before the browser's quota is reached. */
const KEPT_SECONDS = 30;

/** Plays the bytes of an answer while they come. The answer's time begins at 0. */
export class Playback {
  /** @type {MediaSource | null} */
  #source = null;
  /** @type {SourceBuffer | null} */
  #buffer = null;
  #generation = 0;
  #work = Promise.resolve();
  #appending = false;
  #playing = false;
  #atStart = false;
  /** Time at which the video was paused, by the browser where it plays. */
  #pausedAt = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {{shown: () => void, ended: () => void, blocked: () => void, failed: (error: unknown) => void}} on
   */
  constructor(video, on) {
    this.video = video;
    this.on = on;
    video.disableRemotePlayback = true; // ManagedMediaSource asks for it
    video.addEventListener("ended", () => this.#playing && this.#end());
    video.addEventListener("pause", () => (this.#pausedAt = performance.now()));
    video.addEventListener("error", () => this.#fail(video.error));
    document.addEventListener("visibilitychange", () => document.hidden || this.#catchUp());
  }

  /** Seconds of the answer that are played. */
  get position() {
    return this.#playing ? this.video.currentTime : 0;
  }

  /** Begins an answer. @param {string} mime its media type with codecs */
  begin(mime) {
    this.#queue(() => this.#prepare(mime));
  }

  /** Takes whole boxes of the answer. @param {Uint8Array<ArrayBuffer>} bytes */
  append(bytes) {
    this.#queue(async (buffer, valid) => {
      this.#appending = true;
      try {
        buffer.appendBuffer(bytes);
        await updated(buffer);
      } finally {
        this.#appending = false;
      }
      if (valid() && buffer.buffered.length) await this.#advance(buffer);
    });
  }

  /** Notes that the answer has no more bytes. */
  complete() {
    this.#queue(async () => {
      this.#play();
      if (this.#source?.readyState === "open") this.#source.endOfStream();
    });
  }

  /** Falls silent at once and forgets what waits. */
  flush() {
    this.#generation += 1;
    this.#playing = false;
    this.video.pause();
    if (this.#appending) this.#buffer?.abort(); // a running removal would refuse it
  }

  /** Plays on; without sound where the page may not make any before it is touched. */
  resume() {
    if (!this.#playing) return;
    this.video.play().catch((error) => {
      if (error.name !== "NotAllowedError" || this.video.muted) return;
      this.video.muted = true;
      this.on.blocked();
      this.resume();
    });
  }

  /**
   * Runs a step after those before it, unless the answer is flushed by then; `valid` says whether it is meanwhile.
   * @param {(buffer: SourceBuffer, valid: () => boolean) => Promise<void>} step
   */
  #queue(step) {
    const generation = this.#generation;
    const valid = () => generation === this.#generation;
    this.#work = this.#work.then(async () => {
      if (!valid()) return;
      try {
        await step(/** @type {SourceBuffer} */ (this.#buffer), valid);
      } catch (error) {
        if (valid()) this.#fail(error);
      }
    });
  }

  /** Empties the buffer for an answer. @param {string} mime */
  async #prepare(mime) {
    this.#playing = false;
    this.#atStart = false;
    const source = this.#source?.readyState === "closed" ? null : this.#source;
    const buffer = this.#buffer;
    if (!source || !buffer) {
      this.#source = await attached(this.video);
      this.#buffer = this.#source.addSourceBuffer(mime);
      return;
    }
    if (!Number.isNaN(source.duration)) {
      buffer.remove(0, Infinity);
      await updated(buffer);
    }
    if (source.readyState === "open") buffer.abort(); // a box that was cut off is forgotten
    buffer.changeType(mime);
  }

  /** Starts when enough is there, and removes what is long over. @param {SourceBuffer} buffer */
  async #advance(buffer) {
    const { buffered } = buffer;
    const [begins, ends] = [buffered.start(0), buffered.end(buffered.length - 1)];
    if (!this.#atStart) this.video.currentTime = begins; // a seek in an empty buffer would be ignored
    this.#atStart = true;
    if (ends - begins >= LEAD_SECONDS) this.#play();
    const old = this.video.currentTime - KEPT_SECONDS;
    if (old - begins > KEPT_SECONDS) {
      buffer.remove(0, old);
      await updated(buffer);
    }
  }

  #play() {
    if (this.#playing) return;
    this.#playing = true;
    const generation = this.#generation;
    const follow = () => this.video.currentTime > LEAD_SECONDS && shown();
    const shown = () => {
      this.video.removeEventListener("timeupdate", follow);
      if (waiting && generation === this.#generation) this.on.shown();
      waiting = false;
    };
    let waiting = true;
    this.video.requestVideoFrameCallback?.(shown);
    this.video.addEventListener("timeupdate", follow); // frames of a hidden tab are not called back for
    this.resume();
  }

  /** Goes to where playback would be, had the browser not paused it in a hidden tab. */
  #catchUp() {
    const { buffered, paused } = this.video;
    if (!this.#playing || !paused || !buffered.length) return;
    const missed = (performance.now() - this.#pausedAt) / 1000;
    this.video.currentTime = Math.min(this.video.currentTime + missed, buffered.end(buffered.length - 1));
    this.resume();
  }

  #end() {
    this.#playing = false;
    this.on.ended();
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#source = this.#buffer = null; // the next answer gets new ones
    this.#generation += 1;
    this.on.failed(error);
  }
}

/** Attaches a new media source. @param {HTMLVideoElement} video @returns {Promise<MediaSource>} */
async function attached(video) {
  /** @type {typeof MediaSource | undefined} iPhones have a managed one only */
  const Source = /** @type {any} */ (globalThis).ManagedMediaSource ?? globalThis.MediaSource;
  if (!Source) throw new Error("This browser plays no streamed video (Media Source Extensions).");
  const source = new Source();
  const url = URL.createObjectURL(source);
  video.src = url;
  await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
  URL.revokeObjectURL(url);
  return source;
}

/** Waits for the end of an append or a removal. @param {SourceBuffer} buffer @returns {Promise<void>} */
function updated(buffer) {
  return new Promise((resolve, reject) => {
    buffer.onerror = () => reject(new Error("The browser cannot decode the video."));
    buffer.onupdateend = () => resolve();
    if (!buffer.updating) resolve();
  });
}

// @ts-check
/** Hearing the user: by the server's recogniser where it has one, or else by the browser's, where the user allows it. */

const RATE = 24_000;

/** @typedef {{start: () => Promise<void>, stop: () => void}} Listener */

/** Loudness of a piece, root mean square, that is taken for the user's voice at once. */
const LOUD = 0.03;
/** So many times louder than what is heard all the time. */
const ABOVE_NOISE = 4;
const LOUD_PIECES = 2;
/** How fast the measure of the noise follows, per piece of 40 ms. */
const NOISE_PACE = 0.02;

/** Guesses, before the server knows, whether somebody speaks. */
class Loudness {
  #noise = 0.01;
  #loud = 0;

  /** @param {Int16Array} pcm @returns {boolean} */
  rises(pcm) {
    const level = Math.sqrt(pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length) / 32_768;
    const loud = level > Math.max(LOUD, ABOVE_NOISE * this.#noise);
    this.#noise += ((loud ? this.#noise : level) - this.#noise) * NOISE_PACE;
    this.#loud = loud ? this.#loud + 1 : 0;
    return this.#loud >= LOUD_PIECES;
  }
}

/** Sends the microphone's sound to the server. @implements {Listener} */
export class Microphone {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStream | null} */
  #stream = null;

  /** @param {(pcm: Int16Array) => void} take @param {() => void} loud called while somebody seems to speak */
  constructor(take, loud) {
    this.take = take;
    this.loud = loud;
  }

  async start() {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio });
    const context = (this.#context = contextFor(this.#stream));
    await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
    const pieces = new AudioWorkletNode(context, "pcm-pieces", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    const loudness = new Loudness();
    pieces.port.onmessage = ({ data }) => {
      if (loudness.rises(data)) this.loud();
      this.take(data);
    };
    context.createMediaStreamSource(this.#stream).connect(pieces);
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = this.#context = null;
  }
}

/** Lets the browser understand the user. @implements {Listener} */
export class BrowserRecognition {
  /** @type {any} */
  #recognition = null;

  /** @param {{text: (text: string) => void, began: () => void, ended: (error: string) => void}} on @param {() => string} language */
  constructor(on, language) {
    this.on = on;
    this.language = language;
  }

  static get available() {
    return Boolean(engine());
  }

  async start() {
    const recognition = (this.#recognition = new (engine())());
    Object.assign(recognition, { continuous: true, interimResults: false, lang: this.language() });
    recognition.onspeechstart = () => this.on.began();
    recognition.onresult = (/** @type {any} */ event) => this.on.text(event.results[event.resultIndex][0].transcript);
    recognition.onerror = (/** @type {any} */ event) => this.on.ended(event.error);
    recognition.onend = () => this.#recognition === recognition && this.on.ended("");
    recognition.start();
  }

  stop() {
    const recognition = this.#recognition;
    this.#recognition = null;
    recognition?.stop();
  }
}

function engine() {
  const scope = /** @type {any} */ (globalThis);
  return scope.SpeechRecognition ?? scope.webkitSpeechRecognition;
}

/** A context at the protocol's rate, or at the microphone's where the browser joins no two rates. @param {MediaStream} stream */
function contextFor(stream) {
  const context = new AudioContext({ sampleRate: RATE });
  try {
    context.createMediaStreamSource(stream);
    return context;
  } catch {
    context.close();
    return new AudioContext();
  }
}

/** Words for a microphone that does not open. @param {unknown} error */
export function explain(error) {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return "The microphone is not allowed. Allow it in the browser's address bar.";
  if (name === "NotFoundError") return "No microphone was found.";
  if (!navigator.mediaDevices) return "The browser gives a microphone only to https:// pages and to localhost.";
  return `The microphone does not open: ${error}`;
}

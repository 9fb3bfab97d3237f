/** Collects the microphone's sound in pieces of 40 ms: PCM16, mono, 24000 samples a second. */

const RATE = 24_000;
const PIECE = 960;

class PcmPieces extends AudioWorkletProcessor {
  #piece = new Int16Array(PIECE);
  #length = 0;
  /** Place of the next sample that is taken, in samples of the context after the last of the block before. */
  #next = 0;
  #last = 0;

  process([[channel]]) {
    if (!channel) return true;
    const step = sampleRate / RATE;
    for (; this.#next <= channel.length - 1; this.#next += step) this.#take(this.#at(channel, this.#next));
    this.#next -= channel.length;
    this.#last = channel[channel.length - 1];
    return true;
  }

  /** Interpolates between two samples; -1 is the last one of the block before. */
  #at(channel, place) {
    const index = Math.floor(place);
    const before = index < 0 ? this.#last : channel[index];
    const after = channel[Math.min(index + 1, channel.length - 1)];
    return before + (after - before) * (place - index);
  }

  #take(sample) {
    this.#piece[this.#length++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32_767);
    if (this.#length < PIECE) return;
    this.port.postMessage(this.#piece, [this.#piece.buffer]);
    this.#piece = new Int16Array(PIECE);
    this.#length = 0;
  }
}

registerProcessor("pcm-pieces", PcmPieces);

// @ts-check
/** Answers in the order in which they play. What belongs to one that was cut off is dropped, however late it comes. */

import { Playback } from "./playback.js";

/** An answer that is being made or played. */
class Answer {
  /** @type {Uint8Array<ArrayBuffer>[]} Bytes of one that is not the first. */
  waiting = [];
  /** @type {import("./lumen-avatar.js").Caption[]} */
  captions = [];
  mime = "";
  complete = false;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
  }
}

export class Answers {
  /** @type {Answer[]} */
  #queue = [];
  #playback;

  /**
   * @param {HTMLVideoElement} video
   * @param {object} on
   * @param {() => void} on.shown the first frame of an answer is on the screen
   * @param {(id: string) => void} on.ended an answer was played to its end
   * @param {() => void} on.blocked it plays without sound, which the browser does not allow yet
   * @param {(error: unknown) => void} on.failed
   */
  constructor(video, on) {
    this.on = on;
    this.#playback = new Playback(video, { ...on, ended: () => this.#ended() });
  }

  /** The answer that plays, or will. */
  get current() {
    return this.#queue[0];
  }

  /** Milliseconds of it that are played. */
  get position() {
    return this.#playback.position * 1000;
  }

  /** The caption that belongs to the position. */
  get caption() {
    const at = this.position;
    return this.current?.captions.findLast(({ start }) => start <= at);
  }

  /** @param {string} id */
  add(id) {
    this.#queue.push(new Answer(id));
  }

  /** Takes a part of an answer. @param {string} id @param {Uint8Array<ArrayBuffer>} bytes @param {string} mime of the first part */
  append(id, bytes, mime) {
    const answer = this.#find(id);
    if (!answer) return;
    const first = answer === this.current;
    if (!answer.mime) {
      answer.mime = mime;
      if (first) this.#playback.begin(mime);
    }
    if (first) this.#playback.append(bytes);
    else answer.waiting.push(bytes);
  }

  /** @param {string} id @param {import("./lumen-avatar.js").Caption} caption */
  addCaption(id, caption) {
    this.#find(id)?.captions.push(caption);
  }

  /** Notes that an answer is made; one without a picture is over with that. @param {string} id */
  complete(id) {
    const answer = this.#find(id);
    if (!answer) return;
    answer.complete = true;
    if (!answer.mime) this.remove(id);
    else if (answer === this.current) this.#playback.complete();
  }

  /** Cuts one answer off. @param {string} id */
  remove(id) {
    const answer = this.#find(id);
    const playing = answer === this.current;
    this.#queue = this.#queue.filter((one) => one !== answer);
    if (!answer || !playing) return;
    this.#playback.flush();
    this.#start();
    this.on.ended(id);
  }

  /** Falls silent at once and forgets all answers. */
  clear() {
    this.#queue = [];
    this.#playback.flush();
  }

  /** Plays on after the user allowed sound. */
  resume() {
    this.#playback.resume();
  }

  #ended() {
    const answer = this.#queue.shift();
    this.#start();
    if (answer) this.on.ended(answer.id);
  }

  /** Begins to play what waits. */
  #start() {
    const answer = this.current;
    if (!answer?.mime) return;
    this.#playback.begin(answer.mime);
    for (const bytes of answer.waiting.splice(0)) this.#playback.append(bytes);
    if (answer.complete) this.#playback.complete();
  }

  /** @param {string} id */
  #find(id) {
    return this.#queue.find((answer) => answer.id === id);
  }
}

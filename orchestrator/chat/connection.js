// @ts-check
/** The socket to a LUMEN server: events in, events out, and coming back when the connection is lost. */

/** Media goes as bytes behind the JSON, instead of in base64 in it. */
const BINARY_PROTOCOL = "lumen.binary.v1";
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** Close codes after which the same request would be refused again: policy, too large. */
const FINAL_CODES = [1008, 1009];
const NORMAL = 1000;
/** Beginning of the subprotocol that carries a key: a WebSocket takes no headers. */
const KEY_PROTOCOL = "openai-insecure-api-key.";

/** @typedef {Record<string, any> & {type: string}} WireEvent A client's or server's event. */

/** A WebSocket that comes back by itself, later and later, until it is closed. */
export class Connection {
  /** @type {WebSocket | null} */
  #socket = null;
  #wanted = false;
  #attempts = 0;
  #waitMs = 0;
  /** For a server that asks for one. */
  key = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => URL} address
   * @param {(event: WireEvent) => void} receive `delta` of media is a Uint8Array
   * @param {(state: "connecting" | "offline" | "closed", reason: string) => void} report
   */
  constructor(address, receive, report) {
    this.address = address;
    this.receive = receive;
    this.report = report;
  }

  /** Connects now, whatever was planned. */
  open() {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (this.#socket) return;
    this.report("connecting", "");
    const socket = new WebSocket(this.address(), [BINARY_PROTOCOL, ...(this.key ? [KEY_PROTOCOL + this.key] : [])]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket === this.#socket && this.#read(data);
    socket.onclose = (event) => socket === this.#socket && this.#lost(event);
    this.#socket = socket;
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close(NORMAL);
    this.#socket = null;
    this.report("closed", "");
  }

  /** Tries now instead of later: the network is back. */
  hurry() {
    if (this.#wanted) this.open();
  }

  /** @param {WireEvent} event @param {Uint8Array} [media] */
  send(event, media) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(media ? framed(event, media) : JSON.stringify(event));
  }

  /** @param {string | ArrayBuffer} data */
  #read(data) {
    const event = parsed(data);
    if (event.type === "session.created") this.#attempts = this.#waitMs = 0;
    if (event.type === "error") this.#waitMs = event.error.retry_after_ms ?? this.#waitMs;
    this.receive(event);
  }

  /** @param {CloseEvent} event */
  #lost({ code, reason }) {
    this.#socket = null;
    if (code === NORMAL || FINAL_CODES.includes(code)) {
      this.#wanted = false;
      this.report("closed", reason);
      return;
    }
    const longest = Math.min(FIRST_RETRY_MS * 2 ** this.#attempts++, LAST_RETRY_MS);
    this.#timer = setTimeout(() => this.open(), this.#waitMs + longest * (0.5 + Math.random() / 2));
    this.report("offline", reason);
  }
}

/** Reads a message: JSON, or the length of the JSON, it, and media. @param {string | ArrayBuffer} data @returns {WireEvent} */
function parsed(data) {
  const event = typeof data === "string" ? JSON.parse(data) : unframed(data);
  if (event.type === "response.video.delta" && typeof event.delta === "string") {
    event.delta = Uint8Array.from(atob(event.delta), (character) => character.charCodeAt(0));
  }
  return event;
}

/** @param {ArrayBuffer} data */
function unframed(data) {
  const length = new DataView(data).getUint32(0);
  const event = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return { ...event, delta: new Uint8Array(data, 4 + length) };
}

/** @param {WireEvent} event @param {Uint8Array} media */
function framed(event, media) {
  const json = new TextEncoder().encode(JSON.stringify(event));
  const message = new Uint8Array(4 + json.length + media.length);
  new DataView(message.buffer).setUint32(0, json.length);
  message.set(json, 4);
  message.set(media, 4 + json.length);
  return message;
}

// @ts-check
/**
 * `<lumen-avatar>`: a portrait that is asked something over a LUMEN server and speaks the answer.
 *
 *     <script type="module" src="/chat/lumen-avatar.js"></script>
 *     <lumen-avatar></lumen-avatar>
 *
 * connection.js holds the socket, answers.js and playback.js play what comes, and this puts them under a picture.
 * Types are in lumen-avatar.d.ts, docs/embed.md says how it is used and docs/live.md what it speaks.
 */

import { Answers } from "./answers.js";
import { Connection } from "./connection.js";

/** @typedef {import("./connection.js").WireEvent} WireEvent */
/** @typedef {import("./lumen-avatar.js").AvatarState} AvatarState */

/** Time in which the speaking picture and the silent one go over into each other. */
const CROSS_FADE_MS = 120;
/** Messages that are kept, with which a conversation is restored after the connection was lost. */
const RESTORED_MESSAGES = 50;

const STYLE = `
  :host { display: block; position: relative; aspect-ratio: 1; overflow: hidden; container-type: inline-size; }
  :host([hidden]) { display: none; }
  img, video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; opacity: 0; }
  video { transition: opacity ${CROSS_FADE_MS}ms linear; }
  .shown { opacity: 1; }
  p { position: absolute; inset: auto 4% 5%; margin: 0; text-align: center; pointer-events: none; }
  span { padding: .15em .5em; border-radius: .3em; background: rgb(0 0 0 / .72); color: #fff;
    font: 500 clamp(.9rem, 3.4cqi, 1.35rem)/1.6 system-ui, sans-serif;
    box-decoration-break: clone; -webkit-box-decoration-break: clone; }
  span:empty, [hidden] { display: none; }
  button { position: absolute; inset: 4% 4% auto auto; padding: .6em 1em; border: 0; border-radius: 2em; font: inherit;
    background: #fff; color: #111; cursor: pointer; }
  button:focus-visible { outline: 3px solid #6aa5ff; outline-offset: 2px; }
`;

/** The element; its events begin with `lumen-`. */
export class LumenAvatar extends HTMLElement {
  static observedAttributes = ["character", "voice", "language", "captions", "poster"];

  #live = part("video", "live");
  #idle = part("video", "idle");
  #poster = part("img", "poster");
  #caption = document.createElement("span");
  #unmute = document.createElement("button");
  #answers = new Answers(this.#live, {
    shown: () => this.#show(),
    ended: (id) => this.#end(id),
    blocked: () => (this.#unmute.hidden = false),
    failed: (error) => this.#break(error),
  });
  #connection = new Connection(
    () => this.#address(),
    (event) => this.#receive(event),
    (state, reason) => this.#lose(state, reason),
  );
  /** @type {Map<string, {id: string, role: string, text: string}>} The conversation, by the items' ids. */
  #messages = new Map();
  /** @type {Map<string, string>} Items of the answers that are made or played, by response. */
  #items = new Map();
  /** @type {Record<string, any> | null} */
  #session = null;
  /** @type {AvatarState} */
  #state = "closed";
  /** Number of interruptions. An answer carries the one it was asked at, and one of an earlier number is dropped. */
  #turn = 0;
  #unanswered = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    this.#build(root);
  }

  get state() {
    return this.#state;
  }

  get session() {
    return this.#session;
  }

  /** @param {string} key */
  set key(key) {
    this.#connection.key = key;
  }

  get key() {
    return this.#connection.key;
  }

  get busy() {
    return this.#state === "thinking" || this.#state === "speaking";
  }

  connectedCallback() {
    addEventListener("online", this.#hurry);
    if (this.getAttribute("connect") !== "manual") this.connect();
  }

  disconnectedCallback() {
    removeEventListener("online", this.#hurry);
    this.disconnect();
  }

  /** @param {string} name @param {string | null} before @param {string | null} value */
  attributeChangedCallback(name, before, value) {
    if (before === value) return;
    if (name === "poster") this.#poster.src = value ?? "";
    else if (name === "captions") this.#caption.hidden = value === "off";
    else if (this.#session) this.send({ type: "session.update", session: this.#wishes(name) });
  }

  connect() {
    this.#connection.open();
  }

  disconnect() {
    this.#connection.close();
  }

  /** @param {string} text @returns {string} */
  say(text) {
    this.interrupt();
    this.#unlock();
    const message = { id: `item_${crypto.getRandomValues(new Uint32Array(3)).join("")}`, role: "user", text };
    this.#keep(message);
    this.#unanswered = true;
    if (this.#session) {
      this.#add(message);
      this.respond();
    } else this.connect();
    return message.id;
  }

  /** Asks for an answer to what the conversation holds. */
  respond() {
    this.#unanswered = true;
    this.send({
      type: "response.create",
      event_id: `turn_${this.#turn}`,
      response: { cancel_previous: true, metadata: { turn: String(this.#turn) } },
    });
    this.#await();
  }

  interrupt() {
    this.#turn += 1;
    this.#unanswered = false;
    if (!this.busy) return;
    this.#acknowledge(this.#answers.position);
    this.#drop();
    this.send({ type: "output_audio_buffer.clear" });
    this.#enter("idle");
  }

  /** @param {WireEvent} event */
  send(event) {
    this.#connection.send(event);
  }

  /** @param {Int16Array} pcm */
  hear(pcm) {
    const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
    this.#connection.send({ type: "input_audio_buffer.append" }, bytes);
  }

  // The picture.

  /** @param {ShadowRoot} root */
  #build(root) {
    Object.assign(this.#poster, { alt: "", onload: () => this.#poster.classList.add("shown") });
    Object.assign(this.#idle, { muted: true, loop: true, autoplay: true });
    this.#idle.addEventListener("loadeddata", () => this.#idle.classList.add("shown"));
    this.#live.addEventListener("timeupdate", () => this.#follow());
    Object.assign(this.#unmute, { type: "button", hidden: true, textContent: "Turn on sound" });
    this.#unmute.addEventListener("click", () => this.#unlock());
    const line = document.createElement("p");
    line.setAttribute("aria-hidden", "true"); // a screen reader would read them over the speech
    line.append(this.#caption);
    root.append(this.#poster, this.#idle, this.#live, line, this.#unmute);
  }

  /** Makes sound possible; called while a user's gesture is handled. */
  #unlock() {
    this.#live.muted = false;
    this.#unmute.hidden = true;
    this.#answers.resume();
  }

  #show() {
    this.#live.classList.add("shown");
    this.#enter("speaking");
    this.#follow();
  }

  #hide() {
    this.#live.classList.remove("shown");
    this.#caption.textContent = "";
  }

  /** Lets the server and the captions know how far the answer is. */
  #follow() {
    if (this.#state !== "speaking") return;
    this.#acknowledge(this.#answers.position);
    const caption = this.#answers.caption;
    if (!caption || this.#caption.textContent === caption.text) return;
    this.#caption.textContent = caption.text;
    this.#tell("caption", caption);
  }

  /** @param {number} position in milliseconds */
  #acknowledge(position) {
    const answer = this.#answers.current;
    const audio_end_ms = Math.round(position);
    if (!answer || !audio_end_ms) return;
    this.send({ type: "output_audio_buffer.played", response_id: answer.id, audio_end_ms });
  }

  /** An answer has ended. @param {string} id */
  #end(id) {
    const audio_end_ms = Math.ceil(this.#live.currentTime * 1000);
    this.send({ type: "output_audio_buffer.played", response_id: id, audio_end_ms });
    this.#hide();
    this.#enter(this.#answers.current ? "thinking" : "idle");
  }

  #drop() {
    this.#answers.clear();
    this.#hide();
  }

  /** The browser does not play the answer. @param {unknown} error */
  #break(error) {
    this.interrupt();
    this.#tell("error", { code: "playback", message: /** @type {any} */ (error)?.message || String(error) });
  }

  // The conversation.

  /** @param {WireEvent} event */
  #receive(event) {
    const { type, response_id: id, delta, ...rest } = event;
    if (type === "session.created") this.#begin(event.session);
    else if (type === "session.updated") this.#adopt(event.session);
    else if (type === "response.created") this.#expect(event.response);
    else if (type === "response.output_item.added") this.#items.set(id, event.item.id);
    else if (type === "response.video.delta") this.#answers.append(id, delta, event.mime_type);
    else if (type === "response.caption.delta") this.#answers.addCaption(id, { text: event.text, start: event.audio_offset_ms });
    else if (type === "response.done") this.#complete(event.response);
    else if (type === "output_audio_buffer.stopped") this.#items.delete(id);
    else if (type === "output_audio_buffer.cleared") this.#clear(id);
    else if (/^conversation\.item\.(done|retrieved)$/.test(type)) this.#remember(event.item);
    else if (type === "conversation.item.input_audio_transcription.completed") this.#understand(event);
    else if (type === "error") this.#refuse(event.error);
    this.#tell("event", delta instanceof Uint8Array ? { type, response_id: id, ...rest } : event);
  }

  /** A conversation begins, or goes on over a new connection. @param {Record<string, any>} session */
  #begin(session) {
    this.#items.clear();
    this.#adopt(session);
    for (const name of LumenAvatar.observedAttributes) {
      const wishes = this.#wishes(name);
      if (Object.keys(wishes).length > 1) this.send({ type: "session.update", session: wishes });
    }
    for (const message of this.#messages.values()) this.#add(message);
    this.#enter("idle");
    if (this.#unanswered) this.respond();
  }

  /** @param {{id: string, role: string, text: string}} message */
  #add({ id, role, text }) {
    const content = [{ type: role === "assistant" ? "output_text" : "input_text", text }];
    this.send({ type: "conversation.item.create", event_id: id, item: { id, type: "message", role, content } });
  }

  /** @param {Record<string, any>} session */
  #adopt(session) {
    this.#session = session;
    const idle = session.avatar?.idle_url;
    const url = idle ? new URL(idle, this.#server()).href : "";
    if (url && url !== this.#idle.src) {
      this.#idle.classList.remove("shown");
      this.#idle.src = url;
    }
    this.#tell("session", session);
  }

  /** @param {Record<string, any>} response */
  #expect({ id, metadata }) {
    const turn = metadata?.turn ?? String(this.#turn);
    if (turn !== String(this.#turn)) return;
    this.#answers.add(id);
    this.#await();
  }

  /** An answer is to come; one that plays plays on. */
  #await() {
    if (this.#state !== "speaking") this.#enter("thinking");
  }

  /** @param {Record<string, any>} response */
  #complete({ id, status, status_details }) {
    if (status === "failed") this.#tell("error", status_details.error);
    if (status !== "cancelled") this.#unanswered = false;
    this.#answers.complete(id);
  }

  /** The server cut an answer off; what was heard of it is asked for. @param {string} id */
  #clear(id) {
    const item_id = this.#items.get(id);
    this.#items.delete(id);
    this.#answers.remove(id);
    if (item_id && this.#messages.has(item_id)) this.send({ type: "conversation.item.retrieve", item_id });
  }

  /** @param {Record<string, any>} item */
  #remember({ id, role, content }) {
    const text = content.map((/** @type {any} */ one) => one.text ?? one.transcript ?? "").join("\n");
    if (text) this.#keep({ id, role, text });
    else this.#messages.delete(id);
  }

  /** @param {{id: string, role: string, text: string}} message */
  #keep(message) {
    this.#messages.set(message.id, message);
    const [oldest] = this.#messages.keys();
    if (this.#messages.size > RESTORED_MESSAGES && oldest !== undefined) this.#messages.delete(oldest);
  }

  /** What the user said was recognised. @param {WireEvent} event */
  #understand({ item_id: id, transcript: text }) {
    this.#keep({ id, role: "user", text });
  }

  /** @param {Record<string, any>} error */
  #refuse({ code, message, event_id }) {
    if (/^turn_/.test(event_id ?? "") && event_id !== `turn_${this.#turn}`) return;
    if (this.#messages.delete(event_id)) this.interrupt();
    if (event_id === `turn_${this.#turn}` && this.#state === "thinking") this.#enter("idle");
    this.#tell("error", { code, message });
  }

  /** @param {"connecting" | "offline" | "closed"} state @param {string} reason */
  #lose(state, reason) {
    this.#drop();
    this.#session = null;
    this.#enter(state, reason);
  }

  #hurry = () => this.#connection.hurry();

  /** What an attribute asks for, as a `session`. @param {string} name */
  #wishes(name) {
    const value = this.getAttribute(name);
    const wish = {
      character: { avatar: { character: value } },
      voice: { audio: { output: { voice: value } } },
      language: { language: value },
    }[name];
    return { type: "realtime", ...(value && wish) };
  }

  /** The server: attribute `src`, or else where this file came from. */
  #server() {
    return new URL(this.getAttribute("src") ?? new URL("..", import.meta.url), document.baseURI);
  }

  #address() {
    const url = new URL("v1/realtime", this.#server());
    url.protocol = url.protocol.replace("http", "ws");
    const token = this.getAttribute("token");
    if (token) url.searchParams.set("token", token);
    return url;
  }

  /** @param {AvatarState} state @param {string} [reason] */
  #enter(state, reason = "") {
    if (state === this.#state && !reason) return;
    this.#state = state;
    this.setAttribute("state", state);
    this.#tell("state", { state, reason });
  }

  /** @param {string} name @param {unknown} detail */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(`lumen-${name}`, { detail, bubbles: true, composed: true }));
  }
}

/** @template {"video" | "img"} T @param {T} tag @param {string} name @returns {HTMLElementTagNameMap[T]} */
function part(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  element.setAttribute("part", name);
  element.setAttribute("playsinline", "");
  element.setAttribute("aria-hidden", "true");
  return element;
}

if (!customElements.get("lumen-avatar")) customElements.define("lumen-avatar", LumenAvatar);

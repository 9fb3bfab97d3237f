// @ts-check
/** The conversation as a list of messages, which follows the protocol's events. */

/** @typedef {import("./connection.js").WireEvent} WireEvent */

export class ConversationView {
  /** @type {Map<string, HTMLLIElement>} Messages by their items' ids. */
  #messages = new Map();

  /** @param {HTMLElement} log */
  constructor(log) {
    this.log = log;
  }

  /** Shows a message, or changes it. @param {string} id @param {string} role @param {string} text */
  show(id, role, text) {
    const message = this.#messages.get(id) ?? this.#add(id, role);
    message.textContent = text;
    this.#scroll();
    return message;
  }

  /** @param {WireEvent} event */
  follow(event) {
    switch (event.type) {
      case "response.output_item.added":
        this.show(event.item.id, "assistant", "").classList.add("writing");
        this.#busy(event.item.id, true);
        break;
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        this.#messages.get(event.item_id)?.append(event.delta);
        this.#scroll();
        break;
      case "input_audio_buffer.committed":
        this.show(event.item_id, "user", "").classList.add("writing");
        break;
      case "conversation.item.input_audio_transcription.delta":
        this.#messages.get(event.item_id)?.append(event.delta);
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.show(event.item_id, "user", event.transcript);
        break;
      case "conversation.item.deleted":
        this.#messages.get(event.item_id)?.remove();
        this.#messages.delete(event.item_id);
        break;
      case "response.output_item.done":
      case "conversation.item.done":
      case "conversation.item.retrieved":
        this.#finish(event.item);
        break;
    }
  }

  /** @param {string} id @param {string} role */
  #add(id, role) {
    const message = document.createElement("li");
    message.className = role;
    this.#messages.set(id, message);
    this.log.append(message);
    return message;
  }

  /** Shows what an item holds in the end: of an answer that was interrupted, what was heard. @param {Record<string, any>} item */
  #finish({ id, role, status, content }) {
    const text = content.map((/** @type {any} */ part) => part.text ?? part.transcript ?? "").join("\n");
    if (role === "system" || (!text && !this.#messages.has(id))) return;
    const message = this.show(id, role, text);
    message.classList.remove("writing");
    this.#busy(id, false);
    if (status === "incomplete") message.append(note(text ? "interrupted" : "interrupted before the first word"));
  }

  /** Keeps a screen reader from reading half sentences. @param {string} id @param {boolean} busy */
  #busy(id, busy) {
    this.#messages.get(id)?.setAttribute("aria-busy", String(busy));
  }

  #scroll() {
    this.log.scrollTop = this.log.scrollHeight;
  }
}

/** @param {string} text */
function note(text) {
  const small = document.createElement("small");
  small.textContent = text;
  return small;
}

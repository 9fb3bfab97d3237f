/** State of the conversation: `offline` is tried again by itself, `closed` when something is said. */
export type AvatarState = "closed" | "connecting" | "offline" | "idle" | "thinking" | "speaking";

/** A sentence that is being spoken. */
export interface Caption {
  text: string;
  /** Milliseconds from the answer's beginning. */
  start: number;
}

/** Details of the element's events, which are CustomEvents that bubble. */
export interface AvatarEvents {
  "lumen-state": { state: AvatarState; reason: string };
  /** The server's `session` object: parts, note, voice, language, avatar. */
  "lumen-session": Record<string, any>;
  "lumen-caption": Caption;
  "lumen-error": { code: string; message: string };
  /** Any event of the protocol (docs/live.md), without media. */
  "lumen-event": Record<string, any> & { type: string };
}

/**
 * Attributes: `src` (the server; by default the one this file came from), `token`, `character`, `voice`, `language`,
 * `captions="off"`, `poster` (a picture until the portrait is there), `connect="manual"`.
 */
export declare class LumenAvatar extends HTMLElement {
  readonly state: AvatarState;
  /** The server's session; null while there is no connection. */
  readonly session: Record<string, any> | null;
  /** Whether an answer is being made or spoken. */
  readonly busy: boolean;
  /** Key for a server that asks for one, from the next connection on. A page that strangers open takes a `token`. */
  key: string;
  connect(): void;
  disconnect(): void;
  /**
   * Asks for an answer to `text`. An answer that goes on is interrupted; without a connection one is made first.
   * Returns the id of the message, which the protocol's events repeat.
   */
  say(text: string): string;
  /** Asks for an answer to what the conversation holds. */
  respond(): void;
  /** Falls silent at once, and lets the server stop. */
  interrupt(): void;
  /** Sends an event of the protocol. */
  send(event: Record<string, any> & { type: string }): void;
  /** Sends a piece of the user's sound: mono, 24000 samples a second. */
  hear(pcm: Int16Array): void;
  addEventListener<K extends keyof AvatarEvents>(
    type: K,
    listener: (event: CustomEvent<AvatarEvents[K]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "lumen-avatar": LumenAvatar;
  }
}

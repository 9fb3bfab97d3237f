// @ts-check
/** The choices: portrait, picture of one's own, language, voice, captions. The avatar's attributes hold them. */

/** @typedef {import("./lumen-avatar.js").LumenAvatar} LumenAvatar */

import { keyHeaders } from "./key.js";

const SERVER = new URL("..", import.meta.url);

export class Settings {
  #portraits = /** @type {HTMLFieldSetElement} */ (element("portraits"));
  #voice = /** @type {HTMLSelectElement} */ (element("voice"));
  #language = /** @type {HTMLSelectElement} */ (element("language"));
  #state = element("upload-state");
  #upload = /** @type {HTMLInputElement} */ (element("upload"));
  #consent = /** @type {HTMLInputElement} */ (element("consent"));

  /** @param {LumenAvatar} avatar */
  constructor(avatar) {
    this.avatar = avatar;
    const dialog = /** @type {HTMLDialogElement} */ (element("settings"));
    element("open-settings").addEventListener("click", () => dialog.showModal());
    this.#portraits.addEventListener("change", (event) => this.#choose(/** @type {HTMLInputElement} */ (event.target)));
    this.#voice.addEventListener("change", () => avatar.setAttribute("voice", this.#voice.value || this.defaultVoice));
    this.#language.addEventListener("change", () => avatar.setAttribute("language", this.#language.value));
    const captions = /** @type {HTMLInputElement} */ (element("captions"));
    captions.addEventListener("change", () => avatar.setAttribute("captions", captions.checked ? "on" : "off"));
    this.#upload.addEventListener("change", () => this.#send());
    this.#consent.addEventListener("change", () => this.#allowUpload());
  }

  /** Whether the server takes a picture only with a statement that the person in it agreed. */
  #requiresConsent = false;

  defaultVoice = "";

  loaded = false;

  /** Fills the choices with what the server has, once. */
  async load() {
    const [status, avatars] = await Promise.all([ask("api/status"), ask("api/avatars").catch(() => ({ avatars: [] }))]);
    this.loaded = true;
    this.defaultVoice = status.configuration.default_voice;
    this.#requiresConsent = status.configuration.require_consent;
    element("consent-choice").hidden = !this.#requiresConsent;
    this.#allowUpload();
    for (const name of status.portraits) this.#offer(name, name, `api/portraits/${encodeURIComponent(name)}`);
    for (const { id, name } of avatars.avatars) this.#offer(id, name || "own picture", "");
    for (const name of status.voices) this.#voice.append(new Option(name, name));
    for (const [code, name] of Object.entries(status.languages)) this.#language.append(new Option(String(name), code));
    this.adopt(this.avatar.session);
    return status;
  }

  /** Shows what holds in a session. @param {Record<string, any> | null} session */
  adopt(session) {
    if (!session) return;
    this.#language.value = session.language;
    for (const input of this.#portraits.querySelectorAll("input")) {
      input.checked = input.value === session.avatar?.character;
      if (input.checked && input.dataset.picture) this.avatar.setAttribute("poster", input.dataset.picture);
    }
  }

  /** @param {HTMLInputElement} input */
  #choose(input) {
    if (input.dataset.picture) this.avatar.setAttribute("poster", input.dataset.picture);
    this.avatar.setAttribute("character", input.value);
  }

  /** Adds a portrait to choose. @param {string} value @param {string} name @param {string} picture its address, or nothing */
  #offer(value, name, picture) {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "portrait", value });
    const label = document.createElement("label");
    label.className = "portrait";
    label.append(input, this.#face(name, picture), name);
    if (picture) input.dataset.picture = new URL(picture, SERVER).href;
    this.#portraits.append(label);
    return input;
  }

  /** @param {string} name @param {string} picture */
  #face(name, picture) {
    if (picture) return Object.assign(document.createElement("img"), { src: new URL(picture, SERVER).href, alt: "", loading: "lazy" });
    return Object.assign(document.createElement("span"), { className: "face", textContent: name.slice(0, 1).toUpperCase(), ariaHidden: "true" });
  }

  #allowUpload() {
    this.#upload.disabled = this.#requiresConsent && !this.#consent.checked;
  }

  /** Makes the chosen picture a portrait, with the statement that was ticked where the server wants one. */
  async #send() {
    const [file] = this.#upload.files ?? [];
    if (!file) return;
    this.#upload.disabled = true;
    this.#state.textContent = "The server looks for the face …";
    try {
      const form = new FormData();
      form.append("portrait_file", file);
      if (this.#requiresConsent) form.append("consent", element("consent-statement").innerText);
      form.append("name", file.name.replace(/\.[^.]*$/, "").slice(0, 40));
      const { id, name } = await ask("api/avatars", { method: "POST", body: form });
      const known = [...this.#portraits.querySelectorAll("input")].find(({ value }) => value === id);
      const input = known ?? this.#offer(id, name || "own picture", URL.createObjectURL(file));
      input.checked = true;
      this.#choose(input);
      this.#state.textContent = "Your picture speaks from now on.";
    } catch (error) {
      this.#state.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      this.#consent.checked = false;
      this.#allowUpload();
      this.#upload.value = "";
    }
  }
}

/** Asks the API; an error has the server's own words. @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
async function ask(path, options) {
  const response = await fetch(new URL(path, SERVER), { ...options, headers: keyHeaders() });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.message ?? `The server answers ${response.status}.`, { cause: response.status });
  return body;
}

/** @param {string} id */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

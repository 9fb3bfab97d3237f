// @ts-check
/** The key of whoever uses this page, where the server asks for one: typed once, kept until the tab is closed. */

/** @typedef {import("./lumen-avatar.js").LumenAvatar} LumenAvatar */

const NAME = "lumen-key";

/** Headers by which a request shows the key. @returns {Record<string, string>} */
export function keyHeaders() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** The dialog that asks for the key. */
export class SignIn {
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById("sign-in"));
  #field = /** @type {HTMLInputElement} */ (document.getElementById("key"));

  /** @param {LumenAvatar} avatar @param {() => void} used is called when there is a key that was not used before */
  constructor(avatar, used) {
    this.avatar = avatar;
    this.used = used;
    this.#dialog.addEventListener("close", () => this.#take(this.#field.value.trim()));
  }

  /** Connects with the key that is kept, or asks for one where that is refused too. */
  ask() {
    const kept = sessionStorage.getItem(NAME) ?? "";
    if (kept && kept !== this.avatar.key) this.#use(kept);
    else if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** @param {string} typed */
  #take(typed) {
    this.#field.value = "";
    if (!typed) return;
    sessionStorage.setItem(NAME, typed);
    this.#use(typed);
  }

  /** @param {string} key */
  #use(key) {
    this.avatar.key = key;
    this.avatar.connect();
    this.used();
  }
}

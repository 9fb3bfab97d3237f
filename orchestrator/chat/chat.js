// @ts-check
/** The page: text field, buttons and notices around a `<lumen-avatar>`. Begin reading here. */

import "./lumen-avatar.js";
import { ConversationView } from "./conversation.js";
import { SignIn } from "./key.js";
import { BrowserRecognition, Microphone, explain } from "./hearing.js";
import { Settings, element } from "./settings.js";

const STATES = {
  closed: "Not connected",
  connecting: "Connecting …",
  offline: "Connection lost; trying again …",
  idle: "Ready",
  thinking: "Thinking …",
  speaking: "Speaking",
};
/** Reasons for which the server ends a conversation, in words. */
const REASONS = {
  session_idle: "The conversation was quiet for long and has ended. It goes on when you write.",
  session_expired: "The conversation has reached its longest time. It goes on when you write.",
  too_many_sessions: "All places are taken; trying again …",
  server_shutting_down: "The server restarts; trying again …",
  invalid_api_key: "The server asks for a key.",
};
const URLS = /(https:\/\/\S+[^\s.,)])/;

const avatar = /** @type {import("./lumen-avatar.js").LumenAvatar} */ (element("avatar"));
const prompt = /** @type {HTMLTextAreaElement} */ (element("prompt"));
const microphone = /** @type {HTMLButtonElement} */ (element("microphone"));
const allowed = /** @type {HTMLInputElement} */ (element("recognition"));
const conversation = new ConversationView(element("log"));
const settings = new Settings(avatar);
const signIn = new SignIn(avatar, () => settings.loaded || load());

const sound = new Microphone((pcm) => avatar.hear(pcm));
/** The server decides when the user has spoken, answers, and is interrupted. */
const LISTENING = { type: "server_vad", create_response: true, interrupt_response: true };
const recognition = new BrowserRecognition(
  { text: say, began: () => avatar.interrupt(), ended: stopHearing },
  () => avatar.session?.language ?? "",
);
/** @type {import("./hearing.js").Listener | null} What hears now. */
let hearing = null;

/** @param {string} text */
function say(text) {
  if (!text.trim()) return;
  warn("");
  conversation.show(avatar.say(text.trim()), "user", text.trim());
}

function send() {
  say(prompt.value);
  prompt.value = "";
}

/** Shows an error, or hides it. @param {string} text */
function warn(text) {
  element("alert").hidden = !text;
  element("alert-text").textContent = text;
}

/** @param {import("./lumen-avatar.js").AvatarEvents["lumen-state"]} detail */
function showState({ state, reason }) {
  const line = element("state");
  line.dataset.state = state;
  line.textContent = REASONS[/** @type {keyof typeof REASONS} */ (reason)] ?? STATES[state];
  element("stop").hidden = !avatar.busy;
  if (!avatar.session) stopHearing("");
  if (reason === "invalid_api_key") signIn.ask();
}

/** Says who answers, and what this server cannot do. @param {Record<string, any>} session */
function showSession(session) {
  const { writer, voice, face, listener } = session.parts ?? {};
  element("parts").textContent = writer ? `Text: ${writer}, voice: ${voice}, face: ${face}.` : "";
  element("notice").hidden = !session.note;
  element("notice-title").textContent = writer === "echo" ? "It repeats what you write: no language model is set up." : "Note";
  element("notice-text").replaceChildren(...linked(session.note ?? ""));
  element("log").lang = session.language;
  settings.adopt(session);
  element("recognition-choice").hidden = Boolean(listener) || !BrowserRecognition.available;
  showMicrophone();
}

function showMicrophone() {
  const listens = Boolean(avatar.session?.parts?.listener);
  microphone.disabled = !avatar.session || !(listens || allowed.checked);
  microphone.title = microphone.disabled ? "This server recognises no speech; see “Portrait & voice”." : "Speak";
}

/** Asks the server to listen, or to stop. @param {typeof LISTENING | null} turn_detection */
function listen(turn_detection) {
  avatar.send({ type: "session.update", session: { type: "realtime", audio: { input: { turn_detection } } } });
}

async function startHearing() {
  hearing = avatar.session?.parts?.listener ? sound : recognition;
  microphone.setAttribute("aria-pressed", "true");
  try {
    await hearing.start();
    if (hearing === sound) listen(LISTENING);
    element("hearing").textContent = hearing === sound ? "The microphone is on; the server listens." : "The microphone is on; the browser listens.";
  } catch (error) {
    stopHearing(explain(error));
  }
}

/** @param {string} problem */
function stopHearing(problem) {
  hearing?.stop();
  if (hearing === sound) listen(null);
  hearing = null;
  microphone.setAttribute("aria-pressed", "false");
  element("hearing").textContent = "";
  if (problem) warn(problem);
}

/** Nodes of a text whose addresses can be followed. @param {string} text */
function linked(text) {
  return text.split(URLS).map((piece) => {
    if (!URLS.test(piece)) return piece;
    return Object.assign(document.createElement("a"), { href: piece, textContent: piece, target: "_blank", rel: "noopener noreferrer" });
  });
}

avatar.addEventListener("lumen-state", ({ detail }) => showState(detail));
avatar.addEventListener("lumen-session", ({ detail }) => showSession(detail));
avatar.addEventListener("lumen-event", ({ detail }) => conversation.follow(detail));
avatar.addEventListener("lumen-error", ({ detail }) => detail.code in REASONS || warn(detail.message));

element("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
prompt.addEventListener("input", () => avatar.interrupt());
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
addEventListener("keydown", (event) => event.key === "Escape" && avatar.interrupt());
element("stop").addEventListener("click", () => {
  avatar.interrupt();
  if (matchMedia("(pointer: fine)").matches) prompt.focus(); // on a telephone the keyboard would come up
});
element("alert-close").addEventListener("click", () => warn(""));
microphone.addEventListener("click", () => (hearing ? stopHearing("") : startHearing()));
allowed.addEventListener("change", showMicrophone);

/** Fills the choices; where a key is missing, they are filled when there is one. */
function load() {
  settings.load().then(
    (status) => (prompt.maxLength = status.limits.max_text_length),
    (error) => error.cause === 401 || warn(`The server's choices cannot be read: ${error.message}`),
  );
}

showState({ state: avatar.state, reason: "" });
load();

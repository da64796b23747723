// The chat page: which agent, which session, and the turn that runs.

import { get, post, Refused, streamTurn } from "/static/api.js";
import { Answer, replay, said, spent } from "/static/conversation.js";
import { element } from "/static/markdown.js";

const ui = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const RETRIES = 5;
const BLANK = "…";
const END = 40; // pixels: scrolled to within these, the reader is at the end
const ENDINGS = new Set(["turn_finished", "turn_cancelled"]);

let agents = [];
let agent = null;
let session = null; // null until the first message is sent
let turn = null; // { session, answer } while one runs
let seen = unread(); // what of the session's log is on the page
let following = true; // the end is kept in view, until the reader scrolls away from it
let scrolledTo = 0;

async function start() {
  agents = (await get("/api/agents")).agents;
  for (const each of agents) {
    const tab = element("button", { type: "button" }, each.name);
    tab.addEventListener("click", () => go(each.name, null));
    ui.agents.append(tab);
  }
  window.addEventListener("hashchange", () => show().catch(complain));
  await show();
}

// The address says what is shown: #agent/session.
function place() {
  const [name, id] = location.hash.slice(1).split("/").map(decodeURIComponent);
  return { agent: agents.find((each) => each.name === name) ?? agents[0], session: id || null };
}

function address(name, id) {
  return `#${encodeURIComponent(name)}${id ? `/${encodeURIComponent(id)}` : ""}`;
}

function go(name, id) {
  const target = address(name, id);
  if (location.hash === target) show().catch(complain);
  else location.hash = target;
}

async function show() {
  const here = place();
  agent = here.agent;
  session = here.session;
  if (turn && turn.session !== session) turn = null; // it runs on, unwatched
  seen = unread();
  following = true;
  ui.side.classList.remove("open");
  ui.toggle.setAttribute("aria-expanded", "false");
  notice("");
  ui.hint.hidden = true;
  paintAgent();
  ui.log.replaceChildren();
  ui.welcome.hidden = session !== null;
  ui.model.hidden = session === null && agent.offline; // the welcome says it
  paintComposer();
  listSessions().catch(complain);
  if (session) await load();
  ui.message.focus();
}

async function load() {
  const shown = seen;
  try {
    const { events, revision } = await since(0);
    if (seen === shown) draw(events, revision);
  } catch (error) {
    if (error.code !== "unknown_session") throw error;
    notice("There is no such conversation here.");
  }
}

function since(revision) {
  return get(`/api/sessions/${encodeURIComponent(session)}?agent=${encodeURIComponent(agent.name)}&after=${revision}`);
}

// `asked` is the message whose turn is open at `revision`; `watched` are those whose turns were drawn as they ran.
function unread() {
  return { revision: 0, asked: null, watched: new Set(), broken: false };
}

function draw(events, revision) {
  seen = unread();
  ui.log.replaceChildren();
  add(undrawn(events), revision);
}

function add(events, revision) {
  seen.revision = revision;
  const open = replay(ui.log, events);
  if (open) follow(open, true);
}

function undrawn(events) {
  return events.filter((event) => {
    if (event.kind === "user_message") seen.asked = event.message_id;
    const drawn = seen.watched.has(seen.asked);
    if (ENDINGS.has(event.kind)) seen.asked = null;
    return !drawn;
  });
}

// Shows what was said elsewhere, as in another tab.
async function catchUp() {
  const known = seen;
  const { revision: after } = known;
  if (!session || turn || !ui.log.childElementCount) return;
  const { events, revision } = await since(after);
  if (seen !== known || seen.revision !== after || turn) return;
  const news = undrawn(events);
  if (news.length && seen.broken) draw((await since(0)).events, revision);
  else add(news, revision);
}

// After a turn of which something may have been missed, the log has what it came to.
async function mend(message_id) {
  const known = seen;
  const { events, revision } = await since(0);
  const ended = events.some((event) => ENDINGS.has(event.kind) && event.message_id === message_id);
  if (ended && seen === known && !turn) draw(events, revision);
}

function paintAgent() {
  for (const tab of ui.agents.children) tab.setAttribute("aria-pressed", String(tab.textContent === agent.name));
  document.title = `${agent.name} · emonk`;
  ui.model.textContent = agent.offline ? "No language model is configured: rules match your words to skills." : agent.model;
  const about = agent.offline
    ? element("p", { class: "about" }, "No language model is configured. Skills still work: your words are matched to them by rules. To talk freely, set EMONK_MODEL (for example gemini:gemini-2.0-flash) and its key, then start again.")
    : element("p", {}, "What shall we look at?");
  const examples = element("div", { class: "examples" });
  for (const text of agent.examples) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => (text.includes(BLANK) ? fillIn(text) : send(text)));
    examples.append(button);
  }
  ui.welcome.replaceChildren(element("h1", {}, agent.name), about, examples);
}

async function listSessions() {
  const name = agent.name;
  const { sessions } = await get(`/api/sessions?agent=${encodeURIComponent(name)}`);
  if (agent.name !== name) return;
  ui.empty.hidden = sessions.length > 0;
  ui.sessions.replaceChildren(...sessions.map(sessionItem));
}

function sessionItem(info) {
  const title = element("span", { class: "title" }, info.title || "Untitled");
  const button = element("button", { type: "button" }, title, element("span", { class: "when" }, ago(info.last_active)));
  if (info.session_id === session) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => go(info.agent, info.session_id));
  return element("li", {}, button);
}

function ago(microseconds) {
  const seconds = Math.max(0, Date.now() / 1000 - microseconds / 1e6);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(microseconds / 1000).toLocaleDateString();
}

// An example with blanks goes to the composer, its first blank selected.
function fillIn(text) {
  ui.message.value = text;
  grow();
  ui.message.focus();
  ui.message.setSelectionRange(text.indexOf(BLANK), text.indexOf(BLANK) + BLANK.length);
}

function identifier() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function send(text) {
  const message = text.trim();
  if (!message || !agent) return; // before the agents are known, what was typed stays
  ui.hint.hidden = turn === null;
  if (turn) return;
  following = true;
  if (!session) {
    session = identifier();
    history.pushState(null, "", address(agent.name, session));
  }
  ui.welcome.hidden = true;
  ui.model.hidden = false;
  ui.message.value = "";
  grow();
  const answer = new Answer();
  ui.log.append(said(message), answer.node);
  follow({ message_id: identifier(), message, answer }, false);
}

// Watches a turn to its end; asking with the same message_id joins the turn that runs, or gets its reply.
async function follow({ message_id, message, answer }, rejoined) {
  const mine = { session, answer };
  turn = mine;
  seen.watched.add(message_id);
  paintComposer();
  answer.wait(true);
  const again = () => { answer.clear(); follow({ message_id, message, answer }, true); };
  try {
    await watch({ agent: agent.name, session_id: session, message_id, message }, mine, rejoined);
  } catch (error) {
    if (turn === mine) {
      leave(message_id);
      answer.trouble(error.message, error.hint, error instanceof Refused && error.code === "invalid_request" ? null : again);
    }
  } finally {
    answer.wait(false);
    if (turn === mine) {
      turn = null;
      paintComposer();
      ui.message.focus();
      if (mine.missed) mend(message_id).catch(complain);
    }
    listSessions().catch(complain);
  }
}

// What becomes of the turn is not seen here.
function leave(message_id) {
  seen.watched.delete(message_id);
  seen.broken = true;
}

async function watch(asked, mine, rejoined) {
  for (let tries = 0; ; tries += 1) {
    let stale = rejoined || tries > 0; // what is shown came from the log or from before the connection broke
    try {
      return await streamTurn(asked, (name, data) => {
        if (turn !== mine) return;
        if (stale && name !== "accepted") {
          mine.missed = true; // a server that began anew tells only what comes after
          if (name !== "reply" && name !== "error") { mine.answer.clear(); mine.answer.wait(true); }
          stale = false;
        }
        notice("");
        take(mine.answer, name, data);
        if (name === "reply" && data.degraded) mine.answer.offer(() => keep(asked));
      });
    } catch (error) {
      if (error instanceof Refused || tries >= RETRIES || turn !== mine) throw error;
      notice("The connection was lost. Trying again…");
      await pause(500 * 2 ** tries);
    }
  }
}

// Has a message answered by a language model as soon as one can be reached; it then shows up in the conversation.
async function keep({ agent: name, session_id, message }) {
  try {
    await post("/api/chat", { agent: name, session_id, message, message_id: identifier(), later: true });
    return "Kept: the answer appears in this conversation when a language model is back.";
  } catch (error) {
    return error.hint ? `${error.message} – ${error.hint}` : error.message;
  }
}

function take(answer, name, data) {
  answer.delay("");
  switch (name) {
    case "accepted": listSessions().catch(complain); break;
    case "delta": answer.add(data.text); break;
    case "tool_call": answer.call(data); break;
    case "progress": answer.progress(data); break;
    case "tool_result": answer.result(data); break;
    case "model_retry": answer.delay(data.text); break;
    case "reply":
      answer.settle();
      if (data.status === "done") answer.whole(data.text);
      else answer.outcome(data.status, data.reason, data.text);
      answer.meta(spent(data));
      break;
    case "error": throw new Refused(data.code, data.message, data.hint);
  }
}

// Called when what is shown or the room for it has a new size, before that is painted.
function keepUp() {
  if (following && session) ui.scroll.scrollTop = ui.scroll.scrollHeight;
}

// Where less is left to show than was scrolled past, the browser scrolls up by itself, to the very end.
function scrolled() {
  const { scrollTop, scrollHeight, clientHeight } = ui.scroll;
  const left = scrollHeight - scrollTop - clientHeight;
  if (scrollTop < scrolledTo && left > 1) following = false;
  if (scrollTop > scrolledTo && left < END) following = true;
  scrolledTo = scrollTop;
}

// Until the turn has begun on the server there is nothing to cancel, so this asks again.
async function stop() {
  const mine = turn;
  if (!mine || ui.stop.disabled) return;
  ui.stop.disabled = true;
  const path = `/api/sessions/${encodeURIComponent(mine.session)}/cancel?agent=${encodeURIComponent(agent.name)}`;
  try {
    while (turn === mine && !(await cancelled(path))) await pause(200);
  } catch (error) {
    ui.stop.disabled = false;
    throw error;
  }
}

async function cancelled(path) {
  try {
    return (await post(path, {})).cancelled;
  } catch (error) {
    if (error.code === "unknown_session") return false;
    throw error;
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}

function paintComposer() {
  ui.send.hidden = turn !== null;
  if (!turn) ui.hint.hidden = true;
  ui.stop.hidden = turn === null;
  ui.stop.disabled = false;
  ui.send.disabled = !ui.message.value.trim();
}

function grow() {
  ui.message.style.height = "auto";
  ui.message.style.height = `${ui.message.scrollHeight}px`;
  paintComposer();
}

function notice(text) {
  ui.notice.textContent = text;
  ui.notice.hidden = !text;
}

function complain(error) {
  notice(error.hint ? `${error.message} – ${error.hint}` : error.message);
}

ui.composer.addEventListener("submit", (event) => { event.preventDefault(); send(ui.message.value); });
ui.message.addEventListener("input", grow);
ui.message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(ui.message.value); }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && turn) stop().catch(complain); });
ui.stop.addEventListener("click", () => stop().catch(complain));
ui.new.addEventListener("click", () => go(agent.name, null));
ui.toggle.addEventListener("click", () => {
  const open = ui.side.classList.toggle("open");
  ui.toggle.setAttribute("aria-expanded", String(open));
});
const sizes = new ResizeObserver(keepUp);
sizes.observe(ui.log);
sizes.observe(ui.scroll);
ui.scroll.addEventListener("scroll", scrolled);
ui.log.addEventListener("click", (event) => { if (event.target.closest("summary")) following = false; });
window.addEventListener("focus", () => catchUp().catch(complain));
document.addEventListener("visibilitychange", () => { if (!document.hidden) catchUp().catch(complain); });
start().catch(complain);

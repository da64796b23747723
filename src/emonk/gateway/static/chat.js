// The chat page: which agent, which session, and the turn that runs.

import { get, identifier, post, Refused, streamTurn } from "/static/api.js";
import { Answer, replay, said, spent } from "/static/conversation.js";
import { Kept } from "/static/kept.js";
import { element } from "/static/markdown.js";
import { sessionItem } from "/static/sessions.js";
import { View } from "/static/view.js";
import { welcome } from "/static/welcome.js";

const ui = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const view = new View(ui.scroll, ui.log, () => session !== null);
const RETRIES = 5;
const LOOK_AGAIN = 3000; // milliseconds, while something waits for a language model
const BLANK = "…";
const ENDINGS = new Set(["turn_finished", "turn_cancelled"]);

let agents = [];
let agent = null;
let session = null; // null until the first message is sent
let turn = null; // { session, answer } while one runs
let seen = unread(); // what of the session's log is on the page
let kept = null; // what waits there for a language model
let looking = 0;

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
  attend(keptHere());
  view.follow();
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
    if (seen !== shown) return;
    draw(events, revision);
    kept.recall();
    attend();
  } catch (error) {
    if (error.code !== "unknown_session") throw error;
    notice("There is no such conversation here.");
  }
}

function since(revision) {
  return get(`/api/sessions/${encodeURIComponent(session)}?agent=${encodeURIComponent(agent.name)}&after=${revision}`);
}

// `revision` is that of the last whole turn; `watched` are the messages whose turns were drawn as they ran.
function unread() {
  return { revision: 0, watched: new Set(), broken: false };
}

function draw(events, revision) {
  seen = unread();
  ui.log.replaceChildren();
  add(events, revision);
}

// A turn without an end is read again next time. One that waits for a language model is not followed: that would take long.
function add(events, revision) {
  const open = unended(events);
  const waits = waitingFrom(events);
  seen.revision = open < 0 ? revision : events[open].revision - 1;
  const news = undrawn(events.slice(0, waits));
  news.forEach((event) => kept.drop(event.message_id));
  const running = replay(ui.log, news);
  if (waits < events.length) kept.hold(events[open].message_id, events[open].text);
  kept.toEnd();
  attend();
  if (running) follow(running, true);
}

function undrawn(events) {
  let asked = null;
  return events.filter((event) => {
    if (event.kind === "user_message") asked = event.message_id;
    const drawn = seen.watched.has(asked);
    if (ENDINGS.has(event.kind)) asked = null;
    return !drawn;
  });
}

// Where the turn begins that has no end yet; -1 without one.
function unended(events) {
  const last = events.findLastIndex((event) => event.kind === "user_message" || ENDINGS.has(event.kind));
  return events[last]?.kind === "user_message" ? last : -1;
}

// Where the turn begins that waits for a language model; the end of all without one.
function waitingFrom(events) {
  const open = events[unended(events)];
  return open?.patient || kept.has(open?.message_id) ? events.indexOf(open) : events.length;
}

// Shows what was said elsewhere, as in another tab, and what was answered meanwhile.
async function catchUp() {
  const [known, after] = [seen, seen.revision];
  if (!session || turn || !ui.log.childElementCount) return;
  const { events, revision } = await since(after);
  const current = () => seen === known && seen.revision === after && !turn;
  if (!current()) return;
  if (!seen.broken || !undrawn(events.slice(0, waitingFrom(events))).length) return add(events, revision);
  const whole = await since(0);
  if (current()) draw(whole.events, whole.revision);
}

// While something waits for a language model, looks from time to time whether its answer has come.
function attend(now = kept) {
  clearTimeout(looking);
  if (kept !== now) kept?.leave();
  kept = now;
  if (kept.size) looking = setTimeout(look, LOOK_AGAIN);
}

async function look() {
  const here = kept;
  try {
    await catchUp();
    if (here.lost && here === kept) notice("");
    here.lost = false;
  } catch (error) {
    here.lost = true;
    if (here === kept) complain(error);
  }
  if (here === kept) attend();
}

function keptHere() {
  return new Kept(ui.log, address(agent.name, session), giveUp);
}

// What waits here for a language model, waits no more; what stands behind it is answered as it can be.
async function giveUp() {
  await post(`/api/sessions/${encodeURIComponent(session)}/cancel?agent=${encodeURIComponent(agent.name)}`, {});
  await catchUp();
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
  ui.welcome.replaceChildren(...welcome(agent, (text) => (text.includes(BLANK) ? fillIn(text) : send(text))));
}

async function listSessions() {
  const name = agent.name;
  const { sessions } = await get(`/api/sessions?agent=${encodeURIComponent(name)}`);
  if (agent.name !== name) return;
  ui.empty.hidden = sessions.length > 0;
  ui.sessions.replaceChildren(...sessions.map((info) => sessionItem(info, info.session_id === session, go)));
}

// An example with blanks goes to the composer, its first blank selected.
function fillIn(text) {
  ui.message.value = text;
  grow();
  ui.message.focus();
  ui.message.setSelectionRange(text.indexOf(BLANK), text.indexOf(BLANK) + BLANK.length);
}

function send(text) {
  const message = text.trim();
  if (!message || !agent) return; // before the agents are known, what was typed stays
  ui.hint.hidden = turn === null;
  if (turn) return;
  view.follow();
  if (!session) {
    session = identifier();
    history.pushState(null, "", address(agent.name, session));
    attend(keptHere());
  }
  ui.welcome.hidden = true;
  ui.model.hidden = false;
  ui.message.value = "";
  grow();
  const question = said(message);
  const answer = new Answer();
  ui.log.append(question, answer.node);
  follow({ message_id: identifier(), message, question, answer }, false);
}

// Watches a turn to its end; asking with the same message_id joins the turn that runs, or gets its reply.
async function follow(asked, rejoined) {
  const { message_id, message, answer } = asked;
  const mine = { session, answer, missed: kept.size > 0 }; // what is kept comes before it in the log
  turn = mine;
  seen.watched.add(message_id);
  paintComposer();
  answer.wait(true);
  const again = () => { answer.clear(); follow(asked, true); };
  try {
    await watch({ agent: agent.name, session_id: session, message_id, message }, mine, rejoined);
  } catch (error) {
    if (turn === mine && error.code === "postponed") {
      wait(asked);
    } else if (turn === mine) {
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

// The message is accepted, and waits behind others for a language model.
function wait({ message_id, message, question, answer }) {
  seen.watched.delete(message_id);
  question.remove();
  answer.node.remove();
  kept.hold(message_id, message);
  attend();
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

// Has a message answered by a language model as soon as one can be reached. Gives what to say of it.
async function keep({ agent: name, session_id, message }) {
  const [here, message_id] = [kept, identifier()];
  try {
    await post("/api/chat", { agent: name, session_id, message, message_id, later: true });
  } catch (error) {
    return error.hint ? `${error.message} – ${error.hint}` : error.message;
  }
  here.hold(message_id, message);
  if (here === kept) attend();
  return "No language model could be reached. The message is kept, see below.";
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
    case "context_compressed": answer.summarised(); break;
    case "budget_low": answer.low(data.text); break;
    case "reply":
      answer.settle();
      if (data.status === "done") answer.whole(data.text);
      else answer.outcome(data.status, data.reason, data.text);
      answer.meta(spent(data));
      break;
    case "error": throw new Refused(data.code, data.message, data.hint);
  }
}

// Until the turn has begun on the server there is nothing to cancel, so this asks again.
async function stop() {
  const mine = turn;
  if (!mine || ui.stop.disabled) return;
  ui.stop.disabled = true;
  const path = `/api/sessions/${encodeURIComponent(mine.session)}/cancel?agent=${encodeURIComponent(agent.name)}`;
  try {
    while (turn === mine && !(await cancelled(path))) await pause(200);
    ui.stop.disabled = false; // what ended may have been a turn before this one
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
window.addEventListener("focus", () => catchUp().catch(complain));
document.addEventListener("visibilitychange", () => { if (!document.hidden) catchUp().catch(complain); });
start().catch(complain);

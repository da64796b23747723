// What a conversation looks like: messages, tool calls, outcomes.

import { element, markdown } from "/static/markdown.js";

const OUTCOMES = {
  failed: "This did not work out",
  limit: "Stopped at a limit",
  busy: "Too many messages are waiting",
  cancelled: "Stopped",
  waiting_approval: "Waiting for an approval",
  waiting_effect: "Waiting for something outside to finish",
};

const UNKNOWN = "outcome_unknown";
const CUT_OFF = "it was cut off while it ran; whether it took effect is not known.";

export function said(text) {
  return element("div", { class: "said" }, text);
}

function divider(text) {
  return element("p", { class: "divider" }, text);
}

// An answer while it grows: texts and tool calls in the order in which they come.
export class Answer {
  constructor() {
    this.node = element("div", { class: "answer" });
    this.tools = new Map();
    this.asides = []; // told to the model only, though the offline one repeats it
    this.text = null;
    this.above = null; // a note before the answer
    this.dots = element("div", { class: "waiting", role: "img", "aria-label": "Working" });
    this.dots.append(element("i"), element("i"), element("i"));
  }

  clear() {
    this.node.replaceChildren();
    this.tools.clear();
    this.asides = [];
    this.text = null;
  }

  wait(on) {
    if (on) this.node.append(this.dots);
    else this.dots.remove();
  }

  // Why nothing comes yet; an empty text takes it away.
  delay(text) {
    this.reason?.remove();
    this.reason = text ? element("p", { class: "meta" }, text) : null;
    if (this.reason) this.put(this.reason);
  }

  add(text) {
    if (!this.text) {
      this.text = { source: "", node: element("div", { class: "text" }), due: false };
      this.put(this.text.node);
    }
    this.text.source += text;
    this.paint(this.text);
  }

  whole(text) {
    if (!text || this.text?.source === text) return;
    if (this.text && text.startsWith(this.text.source)) this.add(text.slice(this.text.source.length));
    else { this.text = null; this.add(text); }
  }

  paint(text) {
    if (text.due) return;
    text.due = true;
    requestAnimationFrame(() => {
      text.due = false;
      text.node.replaceChildren(markdown(this.asides.reduce((source, aside) => source.replaceAll(aside, CUT_OFF), text.source)));
    });
  }

  call({ id, name, arguments: given }) {
    this.text = null;
    const tool = new Tool(name, given);
    this.tools.set(id, tool);
    this.put(tool.node);
  }

  // What was said before was too much for the model; told once, though each step of the turn may find it so.
  summarised() {
    if (this.above) return;
    this.above = divider("What was said before is summarised for the model");
    this.node.before(this.above);
  }

  // That a budget is nearly used up, above the answer that it happened in.
  low(text) { this.node.before(divider(text)); }

  progress({ id, text }) { this.tools.get(id)?.note(text); }

  result({ id, content, error, seconds }) {
    if (error === UNKNOWN) this.asides.push(content);
    this.tools.get(id)?.end(content, error, seconds);
  }

  // No more results will come.
  settle() {
    for (const tool of this.tools.values()) tool.leave();
  }

  outcome(status, reason, text) {
    this.settle();
    if (status !== "cancelled") this.whole(text);
    const headline = OUTCOMES[status] ?? status;
    const why = reason === status ? "" : reason.replaceAll("_", " ");
    this.put(element("p", { class: "outcome" }, why ? `${headline}: ${why}` : headline));
  }

  trouble(message, hint, again) {
    this.settle();
    const note = element("p", { class: "outcome", role: "alert" }, hint ? `${message} – ${hint} ` : `${message} `);
    if (again) note.append(action("Try again", again));
    this.put(note);
  }

  // No language model could be reached: have the message answered when one is back. `keep` gives what to say then.
  offer(keep) {
    const note = element("p", { class: "outcome" }, "No language model could be reached. ");
    const button = action("Answer when one is back", async () => {
      button.disabled = true;
      note.textContent = await keep();
    });
    note.append(button);
    this.put(note);
  }

  // It comes when a language model is back. `giveUp` ends the waiting.
  waits(giveUp) {
    const note = element("p", { class: "outcome" }, "Kept: the answer appears here when a language model is back. ");
    const button = action("Give it up", () => {
      button.disabled = true;
      giveUp().catch((error) => { note.append(` ${error.message}`); button.disabled = false; });
    });
    note.append(button);
    this.put(note);
  }

  meta(text) { if (text) this.put(element("p", { class: "meta" }, text)); }

  put(node) {
    if (this.dots.isConnected) this.dots.before(node);
    else this.node.append(node);
  }
}

function action(label, run) {
  const button = element("button", { type: "button" }, label);
  button.addEventListener("click", run);
  return button;
}

class Tool {
  constructor(name, given) {
    this.given = short(given);
    this.brief = element("span", { class: "brief" }, this.given);
    this.time = element("span", { class: "time" }, "running");
    this.inside = element("div", { class: "inside" });
    const summary = element("summary", {}, element("span", { class: "state" }), element("span", { class: "name" }, name));
    summary.append(this.brief, this.time);
    this.node = element("details", { class: "tool running" }, summary, this.inside);
    if (Object.keys(given).length) this.show("Arguments", JSON.stringify(given, null, 2));
  }

  note(text) { this.brief.textContent = text; }

  end(content, error, seconds) {
    this.node.classList.remove("running");
    this.brief.textContent = this.given;
    this.node.classList.toggle("failed", Boolean(error));
    this.time.textContent = error ? error.replaceAll("_", " ") : duration(seconds);
    this.show(error ? "Error" : "Result", content);
  }

  leave() {
    if (!this.node.classList.contains("running")) return;
    this.node.classList.remove("running");
    this.time.textContent = "no result";
  }

  show(title, text) {
    this.inside.append(element("h4", {}, title), element("pre", { tabindex: "0" }, text));
  }
}

function short(given) {
  return Object.entries(given)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ")
    .slice(0, 160);
}

function duration(seconds) {
  if (!(seconds > 0)) return "";
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(1)} s`;
}

export function spent({ steps, cost_usd: cost }) {
  if (!cost) return "";
  const dollars = cost < 0.01 ? cost.toPrecision(2) : cost.toFixed(2);
  return `$${dollars} · ${steps} ${steps === 1 ? "step" : "steps"}`;
}

// Draws a session's events into `log`. Gives what its last turn was asked if that has no end yet.
export function replay(log, events) {
  let answer = null;
  let open = null;
  const growing = () => {
    if (!answer) { answer = new Answer(); log.append(answer.node); }
    return answer;
  };
  for (const event of events) {
    switch (event.kind) {
      case "user_message": {
        const question = said(event.text);
        answer = null;
        log.append(question);
        growing();
        open = { message_id: event.message_id, message: event.text, question, answer };
        break;
      }
      case "model_message":
        growing().text = null;
        if (event.text) answer.add(event.text);
        event.tool_calls.forEach((call) => answer.call(call));
        break;
      case "tool_result":
        growing().result({ ...event.result, id: event.result.call_id, error: event.result.error, seconds: event.seconds });
        break;
      case "interrupted":
        if (event.text) growing().add(event.text);
        break; // how the turn ended says why
      case "turn_finished":
        if (event.status !== "done") growing().outcome(event.status, event.reason, event.text);
        else growing().whole(event.text);
        growing().meta(spent(event));
        open = null;
        break;
      case "turn_cancelled":
        growing().outcome("cancelled", "", "");
        open = null;
        break;
      case "summary":
        growing().summarised();
        break;
    }
  }
  return open;
}

// Messages that wait for a language model, at the end of a conversation until their turns are in its log.

import { Answer, said } from "/static/conversation.js";

export class Kept {
  // `place` names the conversation: those of its messages that no log has yet outlive a reload of the tab.
  constructor(log, place, giveUp) {
    this.log = log;
    this.key = `emonk kept ${place}`;
    this.giveUp = giveUp;
    this.waiting = new Map();
    this.recalled = new Map(read(this.key)); // what this tab kept before it was loaded, until it is shown or in the log
  }

  get size() { return this.waiting.size; }

  has(id) { return this.waiting.has(id) || this.recalled.has(id); }

  hold(id, message) {
    if (this.waiting.has(id)) return;
    const answer = new Answer();
    answer.waits(this.giveUp);
    this.waiting.set(id, { message, nodes: [said(message), answer.node] });
    this.recalled.delete(id);
    this.save();
    this.toEnd();
  }

  drop(id) {
    if (!this.has(id)) return;
    this.waiting.get(id)?.nodes.forEach((node) => node.remove());
    this.waiting.delete(id);
    this.recalled.delete(id);
    this.save();
  }

  // Shows what no turn in the log was for.
  recall() {
    for (const [id, message] of [...this.recalled]) this.hold(id, message);
  }

  toEnd() {
    const nodes = [...this.waiting.values()].flatMap((each) => each.nodes);
    if (nodes.some((node, at) => node !== this.log.children[this.log.children.length - nodes.length + at])) this.log.append(...nodes);
  }

  // Another conversation is shown.
  leave() { this.log = document.createDocumentFragment(); }

  save() {
    const known = [...[...this.waiting].map(([id, { message }]) => [id, message]), ...this.recalled];
    try {
      if (known.length) sessionStorage.setItem(this.key, JSON.stringify(known));
      else sessionStorage.removeItem(this.key);
    } catch {} // a browser that stores nothing shows them until the next reload
  }
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "[]");
  } catch {
    return [];
  }
}

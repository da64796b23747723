// The list of conversations.

import { element } from "/static/markdown.js";

// `open` takes the agent and the session of the one that is chosen.
export function sessionItem(info, current, open) {
  const title = element("span", { class: "title" }, info.title || "Untitled");
  const button = element("button", { type: "button" }, title, element("span", { class: "when" }, ago(info.last_active)));
  if (current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => open(info.agent, info.session_id));
  return element("li", {}, button);
}

function ago(microseconds) {
  const seconds = Math.max(0, Date.now() / 1000 - microseconds / 1e6);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(microseconds / 1000).toLocaleDateString();
}

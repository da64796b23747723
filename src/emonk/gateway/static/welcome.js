// What stands in place of a conversation that has not begun.

import { element } from "/static/markdown.js";

// `choose` takes the example that was clicked.
export function welcome(agent, choose) {
  const about = agent.offline
    ? element("p", { class: "about" }, "No language model is configured. Skills still work: your words are matched to them by rules. To talk freely, set EMONK_MODEL (to gemini:NAME, openai:NAME or anthropic:NAME) and its key, then start again.")
    : element("p", {}, "What shall we look at?");
  const examples = element("div", { class: "examples" });
  for (const text of agent.examples) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => choose(text));
    examples.append(button);
  }
  return [element("h1", {}, agent.name), about, examples];
}

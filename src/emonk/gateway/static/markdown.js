// Markdown to DOM nodes. Text only ever becomes text: no HTML of the source is interpreted, and links lead to http(s) only.

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const DASH_CELL = /^:?-+:?$/;
const DEPTH = 12;
const LONGEST = 20_000;
const MOST_LINES = 5_000;

export function element(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) node.setAttribute(name, value);
  }
  return filled(node, children);
}

// One by one: the arguments of a call go on the stack, which 100,000 children overflow.
function filled(node, children) {
  for (const child of children) node.append(child);
  return node;
}

// Beyond MOST_LINES the text stays as it is: a page of so many nodes would be too slow to use.
export function markdown(source) {
  const lines = source.replace(/\r\n?/g, "\n").split("\n");
  const fragment = filled(document.createDocumentFragment(), blocks(lines.slice(0, MOST_LINES), 0));
  const rest = lines.slice(MOST_LINES).join("\n");
  return rest.trim() ? filled(fragment, [element("pre", { tabindex: "0" }, rest)]) : fragment;
}

function blocks(lines, depth) {
  const nodes = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) { at += 1; continue; }
    const [node, next] = block(lines, at, depth);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

function block(lines, at, depth) {
  const line = lines[at];
  const heading = HEADING.exec(line);
  if (FENCE.test(line)) return fenced(lines, at);
  if (heading) return [element(`h${heading[1].length}`, {}, ...inline(heading[2].replace(/\s#+\s*$/, ""))), at + 1];
  if (RULE.test(line)) return [element("hr"), at + 1];
  if (isTable(lines, at)) return table(lines, at);
  if (depth < DEPTH && QUOTE.test(line)) return quote(lines, at, depth);
  if (depth < DEPTH && ITEM.test(line)) return list(lines, at, depth);
  return paragraph(lines, at, depth);
}

function fenced(lines, at) {
  const [, fence, language] = FENCE.exec(lines[at]);
  const body = [];
  let next = at + 1;
  while (next < lines.length && !closes(lines[next], fence)) body.push(lines[next++]);
  const code = element("code", language ? { "data-language": language } : {}, body.join("\n"));
  return [element("pre", { tabindex: "0" }, code), next + 1];
}

function closes(line, fence) {
  const text = line.trim();
  return text.length >= fence.length && [...text].every((character) => character === fence[0]);
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(^|[^\\])\|$/, "$1");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function isTable(lines, at) {
  if (at + 1 >= lines.length || !lines[at].includes("|") || !lines[at + 1].includes("-")) return false;
  const dashes = cells(lines[at + 1]);
  return dashes.every((cell) => DASH_CELL.test(cell)) && dashes.length === cells(lines[at]).length;
}

function table(lines, at) {
  const row = (line, tag) => element("tr", {}, ...cells(line).map((cell) => element(tag, {}, ...inline(cell))));
  const body = element("tbody");
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|") && lines[next].trim()) body.append(row(lines[next++], "td"));
  const whole = element("table", {}, element("thead", {}, row(lines[at], "th")), body);
  return [element("div", { class: "table", tabindex: "0" }, whole), next];
}

function quote(lines, at, depth) {
  const inside = [];
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next])) inside.push(QUOTE.exec(lines[next++])[1]);
  return [element("blockquote", {}, ...blocks(inside, depth + 1)), next];
}

function list(lines, at, depth) {
  const [, indent, marker] = ITEM.exec(lines[at]);
  const ordered = /\d/.test(marker);
  const node = ordered ? element("ol", { start: String(parseInt(marker, 10)) }) : element("ul");
  let next = at;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]);
    if (!match || match[1].length !== indent.length || /\d/.test(match[2]) !== ordered) break;
    const inside = [match[3]];
    next += 1;
    while (next < lines.length && belongs(lines, next, indent.length)) inside.push(outdent(lines[next++], indent.length + 2));
    node.append(element("li", {}, ...tight(blocks(inside, depth + 1))));
    while (next < lines.length && !lines[next].trim() && ITEM.test(lines[next + 1] ?? "")) next += 1;
  }
  return [node, next];
}

function belongs(lines, at, indent) {
  const deeper = (line) => /^\s*/.exec(line)[0].length > indent && line.trim() !== "";
  if (lines[at].trim()) return deeper(lines[at]);
  return at + 1 < lines.length && deeper(lines[at + 1]);
}

function outdent(line, width) {
  const blank = /^\s*/.exec(line)[0].length;
  return line.slice(Math.min(blank, width));
}

function tight(nodes) {
  return nodes.flatMap((node, index) => (index === 0 && node.tagName === "P" ? [...node.childNodes] : [node]));
}

function paragraph(lines, at, depth) {
  const text = [lines[at]];
  let next = at + 1;
  while (next < lines.length && lines[next].trim() && !opens(lines, next, depth)) text.push(lines[next++]);
  return [element("p", {}, ...inline(text.map((line) => line.trim()).join("\n"))), next];
}

function opens(lines, at, depth) {
  const line = lines[at];
  const nested = depth < DEPTH && (QUOTE.test(line) || ITEM.test(line));
  return nested || FENCE.test(line) || HEADING.test(line) || RULE.test(line) || isTable(lines, at);
}

const INLINE = [
  [/^(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/, (m) => element("code", {}, m[2].replace(/^ (.*) $/, "$1"))],
  [/^\*\*(?=\S)([^*]+(?:\*(?!\*)[^*]+)*)\*\*/, (m) => element("strong", {}, ...inline(m[1]))],
  [/^\*(?=\S)([^*\n]+)\*/, (m) => element("em", {}, ...inline(m[1]))],
  [/^_(?=\S)([^_\n]+)_(?!\w)/, (m) => element("em", {}, ...inline(m[1]))],
  [/^~~(?=\S)([^~\n]+)~~/, (m) => element("s", {}, ...inline(m[1]))],
  [/^\[([^\]\n]+)\]\((\S+?)(?:\s+"[^"\n]*")?\)/, (m) => link(m[1], m[2], m[0])],
  [/^https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]]/, (m) => link(m[0], m[0], m[0])],
  [/^\\([!-/:-@[-`{-~])/, (m) => m[1]],
  [/^\n/, () => element("br")],
];
const SPECIAL = /[`*_~[\\\n]|https?:\/\//g;

function inline(text) {
  if (text.length > LONGEST) return [text];
  const nodes = [];
  let plain = 0;
  SPECIAL.lastIndex = 0;
  for (let found = SPECIAL.exec(text); found; found = SPECIAL.exec(text)) {
    const at = found.index;
    const hit = found[0] === "_" && /\w/.test(text[at - 1] ?? "") ? null : special(text.slice(at));
    if (!hit) { SPECIAL.lastIndex = at + 1; continue; }
    nodes.push(text.slice(plain, at), hit[0]);
    plain = at + hit[1];
    SPECIAL.lastIndex = plain; // building the hit may have moved it
  }
  nodes.push(text.slice(plain));
  return nodes.filter((node) => node !== "");
}

function special(rest) {
  for (const [pattern, build] of INLINE) {
    const match = pattern.exec(rest);
    if (match) return [build(match), match[0].length];
  }
  return null;
}

function link(text, address, source) {
  let url;
  try { url = new URL(address); } catch { return source; }
  if (url.protocol !== "https:" && url.protocol !== "http:") return source;
  return element("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, text);
}

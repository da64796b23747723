// The gateway's HTTP API.

export class Refused extends Error {
  constructor(code, message, hint) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

// Names a message or a session once and for all.
export function identifier() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function get(path) {
  return (await request(path)).json();
}

export async function post(path, data) {
  return (await request(path, data)).json();
}

// Calls onEvent(name, data) for every event of a turn. A connection that ends without `reply` or `error` throws TypeError.
export async function streamTurn(data, onEvent) {
  const response = await request("/api/chat", { ...data, stream: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new TypeError("the connection ended before the reply");
    const frames = (waiting + value).split("\n\n");
    waiting = frames.pop();
    for (const frame of frames) {
      const event = parse(frame);
      if (event) onEvent(event.name, event.data);
      if (event?.name === "reply" || event?.name === "error") return;
    }
  }
}

function parse(frame) {
  let name = "message";
  let data = "";
  for (const line of frame.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return data ? { name, data: JSON.parse(data) } : null;
}

async function request(path, data) {
  const options = data && { method: "POST", body: JSON.stringify(data), headers: { "Content-Type": "application/json" } };
  const response = await fetch(path, options);
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({ error: {} }));
  if (response.status === 401) location.assign("/");
  throw new Refused(error.code ?? "http_error", error.message ?? `the server answered ${response.status}`, error.hint ?? "");
}

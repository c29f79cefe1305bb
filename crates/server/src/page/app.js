// A page that says how the servers stand. Everything that comes from outside is set as text.

const PERIOD_MS = 3000;
const byId = (id) => document.getElementById(id);
const STATES = {
  disabled: ["switched off", ""], installing: ["installing", "wait"],
  waiting_for_consent: ["waits for your decision", "wait"], install_failed: ["install failed", "bad"],
  ready: ["ready, starts when used", "good"], starting: ["starting", "wait"],
  running: ["running", "good"], failed: ["failed", "bad"],
};

async function signIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("login");
  if (!token) return null;
  history.replaceState(null, "", location.pathname);
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ token });
  const answer = await fetch("/api/v1/session", { method: "POST", headers, body });
  return answer.ok ? null : (await answer.json()).message;
}

async function get(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status });
  return body;
}

function element(name, className, text) {
  const it = document.createElement(name);
  if (className) it.className = className;
  it.textContent = text;
  return it;
}

function serverItem(server) {
  const [word, kind] = STATES[server.status.state] ?? [server.status.state, ""];
  const head = element("div", "head", "");
  head.append(element("strong", "", server.slug), element("span", `state ${kind}`, word));
  const { source } = server;
  const from = source.kind === "remote" ? source.url : `${source.registry}: ${source.name}`;
  const item = document.createElement("li");
  item.append(head, element("p", "source", `${from}, ${server.tools} tools`));
  if (server.status.reason) item.append(element("p", "reason", server.status.reason));
  return item;
}

let shown = "";
function show(status, servers) {
  const now = JSON.stringify([status.version, servers]);
  byId("notice").hidden = true;
  byId("servers-section").hidden = byId("connect-section").hidden = false;
  if (now === shown) return;
  shown = now;
  byId("version").textContent = status.version;
  byId("address").textContent = `${location.origin}/mcp`;
  byId("servers").replaceChildren(...servers.map(serverItem));
  byId("no-servers").hidden = servers.length > 0;
}

function say(text) {
  byId("notice").hidden = false;
  if (byId("notice").textContent !== text) byId("notice").textContent = text;
}

async function refresh() {
  try {
    const [status, { servers }] = await Promise.all([get("/api/v1/status"), get("/api/v1/servers")]);
    show(status, servers);
  } catch (err) {
    if (err.status === 401) {
      byId("servers-section").hidden = byId("connect-section").hidden = true;
      say(refusal ?? "You are not signed in. Run “archestra open” in a terminal: it opens this page with a link that is good once.");
      return;
    }
    say(err.status ? `The program answers with an error: ${err.message}` : "The program does not answer. This page comes back by itself when it does.");
  }
}

let refusal = null;
try {
  const message = await signIn();
  if (message) refusal = `${message[0].toUpperCase()}${message.slice(1)}. Run “archestra open” for a new link.`;
} catch {
  // The program does not answer; `refresh` says so.
}
for (;;) {
  if (!document.hidden) await refresh();
  await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
}

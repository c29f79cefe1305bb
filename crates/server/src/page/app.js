// A page that says how the servers stand, and asks what a person is to decide. Everything that comes
// from outside is set as text, with what does not show written out.

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

// Keeps numbers that JavaScript would round as they were sent.
const exact = (_, value, context) =>
  typeof value === "number" && JSON.rawJSON && context?.source !== String(value) ? JSON.rawJSON(context.source) : value;

async function ask(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const said = text ? JSON.parse(text, exact) : null;
  if (!answer.ok) throw Object.assign(new Error(said?.message ?? `status ${answer.status}`), { status: answer.status });
  return said;
}
const get = (path) => ask("GET", path);

const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0000}-\u{e0fff}]/gu;
const written = (it) => `⟨U+${it.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
const visible = (text) => text.replace(HIDDEN, (it) => (it === "\n" || it === "\t" ? it : written(it)));
const json = (value) => JSON.stringify(value, null, 2);

function element(name, className, text) {
  const it = document.createElement(name);
  if (className) it.className = className;
  it.textContent = visible(text);
  return it;
}

function link(href, text) {
  const it = element("a", "", text);
  it.href = href;
  return it;
}

// Buttons of which one is pressed. `act` sends what it stands for.
function actions(choices, act) {
  const row = element("div", "actions", "");
  for (const [label, choice] of choices) {
    const button = element("button", "", label);
    button.type = "button";
    button.addEventListener("click", async () => {
      for (const it of row.children) it.disabled = true;
      try {
        await act(choice);
        said = "";
      } catch (err) {
        said = `That was not done: ${err.message}`;
      }
      shown = "";
      await refresh();
    });
    row.append(button);
  }
  return row;
}

const ENDED = {
  approved: "approved", denied: "denied", expired: "nobody decided in time",
  stale: "the tool has changed since", withdrawn: "nobody asks any more",
};

function approvalItem(approval) {
  const { id, pin, server, tool, scopes } = approval;
  const item = document.createElement("li");
  const head = element("div", "head", "");
  const isOpen = approval.state === "open" && !(approval.expires_at_ms <= Date.now());
  const state = isOpen ? "waits for you" : ENDED[approval.state] ?? ENDED.expired;
  head.append(element("strong", "", `${server}: ${tool}`), element("span", isOpen ? "state wait" : "state", state));
  const who = approval.client ? `asked by the client “${approval.client}”` : "asked in a chat";
  item.append(head, element("p", "source", `${who}, since ${approval.why}`));
  item.append(element("pre", "", json(approval.arguments)));
  if (approval.definition?.description) item.append(element("p", "reason", `The server says: ${approval.definition.description}`));
  if (!isOpen) {
    item.append(link("/approvals", "All that waits"));
    return item;
  }
  const choices = [["Deny", { decision: "deny" }], ["Allow once", { decision: "approve", scope: "once" }]];
  if (scopes.includes("chat")) choices.push(["Allow in this chat", { decision: "approve", scope: "chat" }]);
  if (scopes.includes("client")) choices.push(["Always for this client", { decision: "approve", scope: "client" }]);
  choices.push(["Always", { decision: "approve", scope: "everywhere" }]);
  item.append(actions(choices, (choice) => ask("POST", `/approvals/${id}/decide`, { pin, ...choice })));
  return item;
}

const STANDS = {
  changed: "has changed, cannot be called", added: "is new, cannot be called",
  pinned: "nobody has looked at it", gone: "is gone",
};

function toolItem(server, tool) {
  const { name, told } = tool;
  const item = document.createElement("li");
  const head = element("div", "head", "");
  head.append(element("strong", "", name), element("span", tool.state === "pinned" ? "state wait" : "state bad", STANDS[tool.state]));
  item.append(head);
  if (tool.renamed_from) item.append(element("p", "reason", `It is what ${tool.renamed_from} was, but for its name.`));
  if (told.definition.description) item.append(element("p", "", told.definition.description));
  if (told.is_read_only) item.append(element("p", "reason", "The server claims that it only reads."));
  if (tool.hidden.length) item.append(element("p", "state bad", `Characters that do not show: ${tool.hidden.map((it) => `${it.character} in ${it.field}`).join(", ")}`));
  for (const { field, before, after } of tool.changes) {
    item.append(element("p", "", field));
    if (before !== null) item.append(element("pre", "before", json(before)));
    if (after !== null) item.append(element("pre", "after", json(after)));
  }
  const whole = document.createElement("details");
  whole.append(element("summary", "", "All that the server says of it"), element("pre", "", json(told.definition)));
  const choices = [["allow", "allow"], ["ask each time", "ask"], ["deny", "deny"]];
  item.append(whole, actions(
    choices.map(([word, setting]) => [`I have looked at it: ${word}`, setting]),
    (setting) => ask("POST", `/servers/${server}/tools/look`, { tools: [{ tool: name, pin: told.pin, setting }] }),
  ));
  return item;
}

function serverItem(server) {
  const [word, kind] = STATES[server.status.state] ?? [server.status.state, ""];
  const head = element("div", "head", "");
  const name = document.createElement("strong");
  name.append(link(`/servers/${server.slug}`, server.slug));
  head.append(name, element("span", `state ${kind}`, word));
  const { source } = server;
  const from = source.kind === "remote" ? source.url : `${source.registry}: ${source.name}`;
  const item = document.createElement("li");
  item.append(head, element("p", "source", `${from}, ${server.tools} tools`));
  if (server.tools_waiting) item.append(link(`/servers/${server.slug}`, `${server.tools_waiting} to look at`));
  if (server.status.reason) item.append(element("p", "reason", server.status.reason));
  return item;
}

let shown = "";
let said = "";

// What each address shows: the sections, what it asks for, and how that is shown.
const [, place, key] = location.pathname.split("/");
const VIEWS = {
  approvals: {
    sections: ["approvals-section"],
    load: async () => (key ? [await get(`/approvals/${key}`)] : (await get("/approvals?open=true&limit=100")).approvals),
    show(approvals) {
      byId("approvals").replaceChildren(...approvals.map(approvalItem));
      byId("no-approvals").hidden = approvals.length > 0;
    },
  },
  servers: {
    sections: ["tools-section"],
    load: async () => (await get(`/servers/${key}/tools`)).tools,
    show(tools) {
      const waits = (it) => it.told && (it.state !== "pinned" || it.pinned.looked_at_ms === null);
      byId("tools-title").textContent = `Tools of ${key} to look at`;
      byId("tools").replaceChildren(...tools.filter(waits).map((it) => toolItem(key, it)));
      byId("no-tools").hidden = tools.some(waits);
    },
  },
  "": {
    sections: ["servers-section", "connect-section"],
    load: async () => (await get("/servers")).servers,
    show(servers) {
      byId("address").textContent = `${location.origin}/mcp`;
      byId("servers").replaceChildren(...servers.map(serverItem));
      byId("no-servers").hidden = servers.length > 0;
    },
  },
};
const view = VIEWS[place] ?? VIEWS[""];
const hideAll = (hidden) => view.sections.forEach((id) => { byId(id).hidden = hidden; });

function show(status, waiting, loaded) {
  const now = JSON.stringify([status.version, waiting, loaded]);
  if (said) say(said);
  else byId("notice").hidden = true;
  hideAll(false);
  if (now === shown) return;
  shown = now;
  byId("version").textContent = status.version;
  byId("approvals-link").textContent = waiting ? `Approvals (${waiting})` : "Approvals";
  view.show(loaded);
}

function say(text) {
  byId("notice").hidden = false;
  if (byId("notice").textContent !== text) byId("notice").textContent = text;
}

async function refresh() {
  try {
    const [status, { approvals }, loaded] = await Promise.all([get("/status"), get("/approvals?open=true&limit=100"), view.load()]);
    show(status, approvals.length, loaded);
  } catch (err) {
    if (err.status === 401) {
      hideAll(true);
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

// @vitest-environment jsdom
// Whatever a server, a model or another program wrote is text on every page that shows it.
import { render, screen } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { LogLine } from "@/components/log";
import { approvals } from "@/mocks/data/approvals";
import { servers } from "@/mocks/data/servers";
import { open, standIn } from "@/test/page";

const server = standIn();

const EVIL =
  '<img src=x onerror="alert(1)"><script>alert(1)</script>\u202e\u200b[link](javascript:alert(1))';

/** Fails where something of the text became more than text, or hides in it. */
function isText(): void {
  const main = screen.getByRole("main");
  expect(main.querySelectorAll("img, script, iframe, object, embed, [onerror]")).toHaveLength(0);
  expect(main.querySelectorAll('a[href^="javascript:" i]')).toHaveLength(0);
  expect(main.textContent).toContain("<img src=x");
  expect(main.textContent).toContain("U+202E");
  expect(main.textContent).not.toContain("\u202e");
}

const definition = {
  name: "evil",
  title: EVIL,
  description: EVIL,
  inputSchema: {
    type: "object",
    properties: { [EVIL]: { type: "string", title: EVIL, description: EVIL, enum: [EVIL, "b"] } },
  },
};
const review = {
  name: "evil",
  state: "pinned",
  changes: [],
  hidden: [{ field: "title", at: 1, character: "U+202E" }],
  told: { advertised: "git__evil", pin: "p", definition, is_read_only: false },
  pinned: { pin: "p", definition, looked_at_ms: 1, looked_by: "mira", setting: "ask" },
};

test("in what a tool says of itself, and in what it answers", async () => {
  const { user } = open(server, "/servers/git?tool=evil");
  server.use(
    http.get("/api/v1/servers/git/tools", () =>
      HttpResponse.json({ tools: [review], counts: {}, tool_changes: "ask" }),
    ),
    http.post("/api/v1/tools/call", () =>
      HttpResponse.json({
        is_error: false,
        result: {
          content: [
            { type: "text", text: `\u001b[31m${EVIL}` },
            { type: "image", data: "PHN2Zz4=", mimeType: "image/svg+xml" },
            { type: "resource_link", uri: "javascript:alert(1)", name: EVIL },
          ],
        },
      }),
    ),
  );
  await user.click(await screen.findByRole("button", { name: "Its whole definition" }));
  await user.click(screen.getByRole("button", { name: "Run" }));
  await screen.findByText("What Git answered");
  isText();
});

test("in a log, and one line without an end does not fill the page", () => {
  const text = `\u001b]8;;https://evil.example\u0007${EVIL}${"z".repeat(100_000)}`;
  const row = { number: 1, atMs: 0, kind: "server", source: "stderr", text } as const;
  render(
    <main>
      <LogLine row={row} />
    </main>,
  );
  isText();
  expect(screen.getByRole("button", { name: /^Show all 100,/ })).toBeTruthy();
  expect(screen.getByRole("main").textContent?.length).toBeLessThan(2000);
});

test("in what somebody is asked", async () => {
  const approval = {
    ...approvals[0],
    id: "evil",
    definition,
    arguments: { [EVIL]: EVIL },
    client: "Cursor",
    why: EVIL,
  };
  open(server, "/approvals/evil");
  server.use(http.get("/api/v1/approvals/evil", () => HttpResponse.json(approval)));
  await screen.findByRole("button", { name: "Allow once" });
  isText();
});

test("in memories", async () => {
  open(server, "/memories");
  const memories = [{ name: EVIL, value: EVIL, created_at_ms: 0, updated_at_ms: 0 }];
  server.use(http.get("/api/v1/memories", () => HttpResponse.json({ memories })));
  await screen.findAllByText("U+202E");
  isText();
});

test("in the audit", async () => {
  const { user } = open(server, "/audit");
  const event = { id: 1, at_ms: 0, kind: "tool.call", tool: EVIL, detail: { target: EVIL } };
  server.use(http.get("/api/v1/audit", () => HttpResponse.json({ events: [event] })));
  await user.click(await screen.findByRole("button", { name: /Called a tool/ }));
  isText();
});

test("in why a server does not run", async () => {
  open(server, "/servers/git");
  const failed = {
    ...servers.find((it) => it.slug === "git"),
    status: { state: "failed", requests: 0, reason: EVIL },
  };
  server.use(http.get("/api/v1/servers/git", () => HttpResponse.json(failed)));
  await screen.findByText("It does not run.");
  isText();
});

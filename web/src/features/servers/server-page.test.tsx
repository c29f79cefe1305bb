// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();
const main = async () => within(await screen.findByRole("main"));

test("a changed tool is shown with its difference, what hides in it, and what it names", async () => {
  const { user } = open(server, "/servers/github?tool=update_issue");
  const tool = within(await screen.findByRole("article", { name: "Update an issue" }));
  expect(tool.getByText("This tool changed after it was looked at.")).toBeTruthy();
  expect(tool.getByText(/2 characters in it do not show/)).toBeTruthy();
  expect(tool.getByText(/name a private file: ~\/.ssh\/config/)).toBeTruthy();
  expect(tool.getAllByText("U+202E").length).toBeGreaterThan(0);
  await user.click(tool.getByRole("radio", { name: "Deny" }));
  await user.click(tool.getByRole("button", { name: "Approve the change" }));
  await expect
    .poll(() => asked)
    .toEqual([
      `POST /api/v1/servers/github/tools/look {"tools":[{"tool":"update_issue","pin":"${"c1".repeat(32)}","setting":"deny"}]}`,
    ]);
});

test("a tool that has changed once more says so instead of taking the decision", async () => {
  const { user } = open(server, "/servers/git?tool=git_show");
  server.use(
    http.post("/api/v1/servers/:server/tools/look", () =>
      HttpResponse.json({ code: "stale", message: "another one" }, { status: 409 }),
    ),
  );
  await user.click(await screen.findByRole("button", { name: "I have looked at it" }));
  expect(await screen.findByText(/changed once more since this page was drawn/)).toBeTruthy();
});

test("all tools of a new server are looked at in one go, with what is proposed for each", async () => {
  const { user } = open(server, "/servers/postgresql");
  await user.click(await screen.findByRole("button", { name: "I have looked at them" }));
  await expect.poll(() => asked.length).toBe(1);
  const { tools } = JSON.parse(asked[0]?.replace(/^[^{]*/, "") ?? "{}");
  expect(tools.map((it: { tool: string; setting: string }) => [it.tool, it.setting])).toEqual([
    ["query", "allow"],
    ["list_tables", "allow"],
    ["execute", "ask"],
  ]);
});

test("a tool runs by hand with what stands in the form, and its answer is quoted", async () => {
  const { user } = open(server, "/servers/github?tool=search_issues");
  const tool = within(await screen.findByRole("article", { name: "Search issues" }));
  await user.click(tool.getByRole("button", { name: "Run" }));
  expect(asked).toEqual([]);
  await user.type(tool.getByRole("textbox", { name: /Query/ }), "is:open");
  await user.click(tool.getByRole("button", { name: "Run" }));
  expect(await tool.findByText("What GitHub answered")).toBeTruthy();
  expect(asked).toEqual([
    'POST /api/v1/tools/call {"server":"github","tool":"search_issues","arguments":{"q":"is:open","sort":"newest","perPage":30}}',
  ]);
});

test("a host that was refused is allowed with one press", async () => {
  const { user } = open(server, "/servers/github?tab=access");
  await user.click(
    await screen.findByRole("button", { name: "Allow telemetry.example-metrics.io:443" }),
  );
  await expect
    .poll(() => asked)
    .toEqual(["PUT /api/v1/servers/github/egress/telemetry.example-metrics.io%3A443"]);
});

test("packages that want to run scripts are named before anybody agrees", async () => {
  const { user } = open(server, "/servers/calendar");
  const question = within(
    await screen.findByRole("region", { name: "Scripts that packages want to run" }),
  );
  expect(question.getByText(/better-sqlite3 12.4.1/)).toBeTruthy();
  await user.click(question.getByRole("button", { name: "Go on without them" }));
  await expect.poll(() => asked).toEqual(['POST /api/v1/servers/calendar/consent {"run":false}']);
});

test("an install that failed shows the end of its log and can be tried again", async () => {
  const { user } = open(server, "/servers/obsidian");
  const failed = within(await screen.findByRole("region", { name: "What failed" }));
  expect(failed.getByText(/not found: make/)).toBeTruthy();
  await user.click(failed.getByRole("button", { name: "Try again" }));
  await expect.poll(() => asked).toEqual(["POST /api/v1/servers/obsidian/retry"]);
});

test("a server is removed only after it is said what goes with it", async () => {
  const { user, router } = open(server, "/servers/git?tab=settings");
  await user.click(await screen.findByRole("button", { name: "Remove…" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Remove Git?" }));
  expect(dialog.getByText(/its log, its secrets/)).toBeTruthy();
  await user.click(dialog.getByRole("button", { name: "Remove Git" }));
  await expect.poll(() => asked).toEqual(["DELETE /api/v1/servers/git"]);
  await expect.poll(() => router.state.location.pathname).toBe("/servers");
});

test("the log is searched, and its problems are told apart", async () => {
  const { user } = open(server, "/servers/github?tab=logs");
  const page = await main();
  expect(await page.findByText("8 lines, 3.4 KB")).toBeTruthy();
  await user.click(page.getByRole("radio", { name: /Problems/ }));
  expect(page.getByText("2 lines of 8 lines, 3.4 KB")).toBeTruthy();
  await user.type(page.getByLabelText("Search the log"), "nothing like that");
  expect(page.getByText("No line is like that")).toBeTruthy();
});

test("a server that is not there says so", async () => {
  open(server, "/servers/nothing");
  expect(await screen.findByText("There is no server “nothing”")).toBeTruthy();
});

test("the bar says when a server was last called, and by which chat or app", async () => {
  const { router } = open(server, "/servers/github?tab=settings");
  const link = await screen.findByRole("link", { name: "“Slow checkout since Tuesday”" });
  expect(link.closest("p")?.textContent).toBe(
    "Last call 2 min ago, by the chat “Slow checkout since Tuesday”",
  );
  await router.navigate({ to: "/servers/$server", params: { server: "git" } });
  expect(await screen.findByText("Cursor")).toBeTruthy();
});

// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();
const card = async (name: RegExp) => within(await screen.findByRole("region", { name }));

test("what waits shows who asks, why, what it reaches, and all data", async () => {
  open(server, "/approvals");
  const issue = await card(/GitHub, Open an issue/);
  expect(await issue.findByText(/You gave GitHub/)).toBeTruthy();
  expect(issue.getByText(/because you have it ask each time/)).toBeTruthy();
  expect(issue.getByText(/Show all/)).toBeTruthy();
  const show = await card(/Git, Show a commit/);
  expect(show.getByText("Cursor")).toBeTruthy();
  expect(await show.findByText(/nothing that it is given can leave this machine/)).toBeTruthy();
});

test("a decision says which pin it saw, and for what it holds", async () => {
  const { user } = open(server, "/approvals/apr_2");
  const show = await card(/Git, Show a commit/);
  await user.click(show.getByRole("button", { name: "Allow for this app" }));
  expect(await screen.findByText("Allowed for its app.")).toBeTruthy();
  expect(asked).toEqual([
    `POST /api/v1/approvals/apr_2/decide {"decision":"approve","pin":"${"9f".repeat(32)}","scope":"client"}`,
  ]);
});

test("a request of another program cannot be answered with other arguments, one of a chat can", async () => {
  const { user } = open(server, "/approvals/apr_1");
  const issue = await card(/Open an issue/);
  await user.click(issue.getByRole("button", { name: "More ways to answer" }));
  expect(await screen.findByRole("menuitem", { name: "Change the arguments…" })).toBeTruthy();
});

test("an answer that comes too late says so and shows what became of it", async () => {
  const { user } = open(server, "/approvals/apr_1");
  const issue = await card(/Open an issue/);
  server.use(
    http.post("/api/v1/approvals/:approval/decide", () =>
      HttpResponse.json({ code: "stale", message: "the tool has changed" }, { status: 409 }),
    ),
    http.get("/api/v1/approvals/apr_1", () =>
      HttpResponse.json({
        id: "apr_1",
        state: "stale",
        server: "github",
        tool: "create_issue",
        arguments: {},
        why: "it asks",
        created_at_ms: 0,
        scopes: [],
      }),
    ),
  );
  await user.click(issue.getByRole("button", { name: "Allow once" }));
  expect(await screen.findByText("The tool has changed since it was asked for.")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Look at what has changed" })).toBeTruthy();
});

test("what was denied says by whom and why", async () => {
  open(server, "/approvals/apr_0");
  expect(await screen.findByText("Denied.")).toBeTruthy();
  expect(screen.getByText("Leila reviews first")).toBeTruthy();
});

test("a permission is taken back with one press", async () => {
  const { user } = open(server, "/approvals?tab=permissions");
  await user.click(await screen.findByRole("button", { name: "Revoke Git log" }));
  await expect.poll(() => asked).toEqual(["DELETE /api/v1/grants/g1"]);
});

test("a rule says which tools it means before it is added", async () => {
  const { user } = open(server, "/approvals?tab=rules");
  await user.click(await screen.findByRole("button", { name: "Add a rule" }));
  const form = within(screen.getByRole("form", { name: "A new rule" }));
  await user.type(form.getByLabelText("Which tools"), "*_issue");
  expect(await form.findByText("Means create_issue and update_issue now.")).toBeTruthy();
  await user.selectOptions(form.getByLabelText("Of which server"), "github");
  await user.click(form.getByRole("button", { name: "Add the rule" }));
  await expect
    .poll(() => asked)
    .toEqual(['POST /api/v1/policy/rules {"effect":"deny","tool":"*_issue","server":"github"}']);
});

test("the built-in server is Archestra, and has no sandbox to tell of", async () => {
  open(server, "/approvals/own");
  const own = {
    id: "own",
    state: "open",
    server: "archestra",
    tool: "set_memory",
    arguments: { name: "tone" },
    why: "it asks",
    pin: "p",
    chat: "c1",
    created_at_ms: 0,
    scopes: ["once", "chat"],
    definition: { title: "Remember" },
  };
  server.use(http.get("/api/v1/approvals/own", () => HttpResponse.json(own)));
  const question = await card(/Archestra, Remember/);
  expect(question.getByText("Let Archestra run “Remember”?")).toBeTruthy();
  expect(question.queryByText(/network/)).toBeNull();
});

test("where nothing waits, that is said", async () => {
  open(server, "/approvals", "empty");
  expect(await screen.findByText("Nothing waits for you")).toBeTruthy();
  const current = screen.getAllByRole("link").filter((it) => it.getAttribute("aria-current"));
  expect(current.map((it) => it.textContent)).toEqual(["Waits for you"]);
});

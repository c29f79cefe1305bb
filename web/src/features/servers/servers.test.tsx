// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();

test("servers are listed with how they are and why", async () => {
  open(server, "/servers");
  const main = within(await screen.findByRole("main"));
  expect(await main.findByRole("link", { name: /Obsidian notes Not installed/ })).toBeTruthy();
  expect(main.getByRole("link", { name: /Calendar Asks you/ })).toBeTruthy();
  expect(main.getByText(/ended with code 1/)).toBeTruthy();
});

test("where there is no server, the one thing to do is to add one", async () => {
  open(server, "/servers", "empty");
  const link = await screen.findByRole(
    "link",
    { name: "Add your first server" },
    { timeout: 3000 },
  );
  expect(link.getAttribute("href")).toBe("/servers/add");
});

test("what cannot be loaded says why and can be tried again", async () => {
  open(server, "/servers", "failing");
  const main = within(await screen.findByRole("main"));
  expect(await main.findByText("The servers could not be loaded.")).toBeTruthy();
  expect(main.getByRole("button", { name: "Try again" })).toBeTruthy();
});

test("nothing is sent before the review, and then what the review says", async () => {
  const { user } = open(server, "/servers/add");
  const field = await screen.findByLabelText("Package or command");
  await user.type(field, "GITHUB_TOKEN=abc npx -y github-mcp@1.2 --fast");
  await user.click(screen.getByRole("button", { name: "Review" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Add Github?" }));
  expect(asked).toEqual([]);
  await user.type(dialog.getByLabelText("Host and port"), "https://API.github.com/x{Enter}");
  expect(dialog.getByText(/The server can read GITHUB_TOKEN/)).toBeTruthy();
  await user.click(dialog.getByRole("button", { name: "Add Github" }));
  await expect.poll(() => asked.length).toBe(1);
  const [line = ""] = asked;
  expect(JSON.parse(line.slice(line.indexOf("{")))).toEqual({
    source: { kind: "package", registry: "npm", name: "github-mcp", version: "1.2" },
    slug: "github",
    title: "Github",
    args: ["--fast"],
    env: {},
    secrets: { GITHUB_TOKEN: "abc" },
    give_secrets_in_clear: true,
    folders: [],
    egress: ["api.github.com:443"],
    build_scripts: "ask",
    keep_warm: false,
  });
});

test("what cannot be added says why, and no review opens", async () => {
  const { user } = open(server, "/servers/add");
  await user.type(await screen.findByLabelText("Package or command"), "docker run x{Enter}");
  expect(await screen.findByText(/Images cannot be run here/)).toBeTruthy();
  expect(screen.queryByRole("dialog")).toBeNull();
});

test("a wrong host keeps the server from being added", async () => {
  const { user } = open(server, "/servers/add?package=pypi:mcp-server-time");
  const dialog = within(await screen.findByRole("dialog", { name: "Add Time?" }));
  await user.type(dialog.getByLabelText("Host and port"), "not a host{Enter}");
  expect(dialog.getByText(/is no host and port/)).toBeTruthy();
  expect(dialog.getByRole("button", { name: "Add Time" }).hasAttribute("disabled")).toBe(true);
});

test("a suggested server that works on a folder cannot be added without one", async () => {
  const { user } = open(server, "/servers/add");
  await user.click(await screen.findByRole("button", { name: "Review Files" }));
  const dialog = within(await screen.findByRole("dialog"));
  const add = dialog.getByRole("button", { name: "Add Filesystem" });
  expect(add.hasAttribute("disabled")).toBe(true);
  await user.click(dialog.getByLabelText("Folder on this machine"));
  await user.paste("/home/me/notes");
  await user.click(add);
  await expect.poll(() => asked.length).toBe(1);
  const body = JSON.parse(asked[0]?.replace(/^[^{]*/, "") ?? "{}");
  expect(body).toMatchObject({
    args: ["/shared"],
    folders: [{ host: "/home/me/notes", inside: "/shared", access: "read_only" }],
  });
});

test("a pasted configuration lists its servers, and hidden characters in names are seen", async () => {
  const { user } = open(server, "/servers/add?way=paste");
  const field = await screen.findByLabelText("Configuration");
  await user.click(field);
  await user.paste(
    '{"mcpServers":{"time":{"command":"uvx","args":["mcp-server-time"]},"a\u202eb":{"command":"node"}}}',
  );
  expect(await screen.findByRole("button", { name: "Review Time" })).toBeTruthy();
  expect(screen.getByText("U+202E")).toBeTruthy();
});

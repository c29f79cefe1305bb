// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();

test("a server gets another name, and the button is there only while it is another one", async () => {
  const { user } = open(server, "/servers/github?tab=settings");
  const name = await screen.findByRole("textbox", { name: "Name" });
  expect(screen.queryByRole("button", { name: "Save" })).toBe(null);
  await user.clear(name);
  await user.type(name, " Work ");
  await user.click(screen.getByRole("button", { name: "Save" }));
  await expect.poll(() => asked).toEqual(['PATCH /api/v1/servers/github {"title":"Work"}']);
});

test("what its process is started with is one on each line", async () => {
  const { user } = open(server, "/servers/github?tab=settings");
  const lines = await screen.findByRole("textbox", { name: "Arguments" });
  await user.clear(lines);
  await user.type(lines, "--read-only{Enter}{Enter}two words");
  await user.click(screen.getByRole("button", { name: "Save" }));
  await expect
    .poll(() => asked)
    .toEqual(['PATCH /api/v1/servers/github {"args":["--read-only","two words"]}']);
});

test("a limit is changed where it is shown, and the others are not sent", async () => {
  const { user } = open(server, "/servers/github?tab=limits");
  const memory = await screen.findByRole("textbox", { name: "Memory, at most, in MB" });
  await user.clear(memory);
  await user.type(memory, "16");
  expect(await screen.findByText("At least 32 MB")).toBeTruthy();
  const save = screen.getByRole<HTMLButtonElement>("button", { name: "Save" });
  expect(save.disabled).toBe(true);
  await user.type(memory, "0");
  await user.click(save);
  await expect
    .poll(() => asked)
    .toEqual([`PATCH /api/v1/servers/github {"limits":{"memory_bytes_max":${160 * 1024 * 1024}}}`]);
});

test("what is likely a secret is sealed, after it is said who sees it", async () => {
  const { user } = open(server, "/servers/git?tab=access");
  await user.click(await screen.findByRole("button", { name: "Give a value" }));
  const form = within(screen.getByRole("form", { name: "Give a value" }));
  await user.type(form.getByLabelText("Name"), "API_KEY");
  expect(form.getByText(/Git itself sees it in clear/)).toBeTruthy();
  await user.type(form.getByLabelText("Secret value"), "sentinel");
  await user.click(form.getByRole("button", { name: "Give this secret" }));
  await expect
    .poll(() => asked)
    .toEqual([
      'PUT /api/v1/servers/git/secrets/API_KEY {"value":"sentinel","give_secrets_in_clear":true}',
    ]);
  await expect.poll(() => screen.queryByRole("form", { name: "Give a value" })).toBe(null);
});

test("a value in clear is given and a refusal is told where it was given", async () => {
  const { user } = open(server, "/servers/git?tab=access");
  server.use(
    http.patch("/api/v1/servers/:server", () =>
      HttpResponse.json({ code: "invalid", message: "more than 128 variables" }, { status: 400 }),
    ),
  );
  await user.click(await screen.findByRole("button", { name: "Give a value" }));
  const form = within(screen.getByRole("form", { name: "Give a value" }));
  await user.type(form.getByLabelText("Name"), "LEVEL");
  await user.type(form.getByLabelText("Value"), "2");
  await user.click(form.getByRole("button", { name: "Give" }));
  expect(await form.findByText(/More than 128 variables/i)).toBeTruthy();
  expect(asked).toEqual(['PATCH /api/v1/servers/git {"env":{"LEVEL":"2"}}']);
});

test("a folder is shared beside those that are, and is taken off again", async () => {
  const { user } = open(server, "/servers/git?tab=access");
  await user.click(await screen.findByRole("button", { name: "Share a folder" }));
  const form = within(screen.getByRole("form", { name: "Share a folder" }));
  await user.type(form.getByLabelText("Folder on this machine"), "notes");
  expect(form.getByText(/A whole path is needed/)).toBeTruthy();
  await user.clear(form.getByLabelText("Folder on this machine"));
  await user.type(form.getByLabelText("Folder on this machine"), "/home/mira/notes");
  await user.click(form.getByRole("button", { name: "Share" }));
  await expect.poll(() => asked.length).toBe(1);
  const { folders } = JSON.parse(asked[0]?.replace(/^[^{]*/, "") ?? "{}");
  expect(folders.at(-1)).toEqual({
    host: "/home/mira/notes",
    inside: "/home/mira/notes",
    access: "read_only",
  });
  expect(folders.length).toBe(2);
  asked.length = 0;
  await user.click(await screen.findByRole("button", { name: /^Share .* no longer$/ }));
  await expect.poll(() => asked).toEqual(['PATCH /api/v1/servers/git {"folders":[]}']);
});

// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { become, open, standIn } from "@/test/page";

const server = standIn();

test("while the program is away the page says so, keeps what was typed, and comes back by itself", async () => {
  const { user } = open(server, "/");
  const field = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: /message/i });
  await user.type(field, "half a sentence");
  become(server, "away");
  await user.type(field, "{Enter}");
  const dialog = within(await screen.findByRole("alertdialog"));
  expect(dialog.getByText("archestra serve")).toBeTruthy();
  become(server, "full");
  await expect.poll(() => screen.queryByRole("alertdialog")).toBeNull();
  expect(field.value).toBe("half a sentence");
});

test("without a session it says how to get in, and goes on by itself once one is there", async () => {
  open(server, "/servers", "signed-out");
  expect(
    await screen.findByRole("heading", { level: 1, name: "Open the page from a terminal" }),
  ).toBeTruthy();
  expect(screen.getByText("archestra open")).toBeTruthy();
  become(server, "full");
  expect(await screen.findByRole("heading", { level: 1, name: "MCP servers" })).toBeTruthy();
});

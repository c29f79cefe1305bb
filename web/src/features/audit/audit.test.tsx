// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { open, standIn } from "@/test/page";

const server = standIn();
const list = async () => within(await screen.findByRole("list", { name: "What happened" }));

test("events say who did what with what, and open to all that is known", async () => {
  const { user } = open(server, "/audit");
  const rows = await list();
  const call = rows.getByRole("button", { name: /Called a tool git git_log/ });
  expect(within(call).getAllByText(/Cursor/).length).toBeGreaterThan(0);
  await user.click(call);
  expect(rows.getByText("grant g1")).toBeTruthy();
});

test("what is looked for stands in the address, and the export is of the same", async () => {
  const { user, router } = open(server, "/audit");
  await list();
  await user.selectOptions(screen.getByLabelText("Decision"), "denied");
  await expect.poll(() => router.state.location.searchStr).toBe("?decision=denied");
  await user.type(screen.getByLabelText(/^Search: a tool/), "merge");
  await expect.poll(() => router.state.location.searchStr).toBe("?decision=denied&q=merge");
  const rows = await list();
  expect(await rows.findByText("Denied a call")).toBeTruthy();
  expect(rows.getAllByRole("listitem")).toHaveLength(1);
  expect(screen.getByRole("link", { name: "Export" }).getAttribute("href")).toBe(
    "/api/v1/audit/export?q=merge&decision=denied",
  );
});

test("a search without an answer can be given up", async () => {
  const { user, router } = open(server, "/audit?q=nothing+of+that+kind");
  await user.click(await screen.findByRole("button", { name: "Show everything" }));
  await expect.poll(() => router.state.location.searchStr).toBe("");
});

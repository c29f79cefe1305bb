// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { open, standIn } from "@/test/page";
import { ENTRIES } from "./entries";

const server = standIn();

test("settings are found by words that do not stand in them", async () => {
  const { user, router } = open(server, "/settings/general");
  await user.type(await screen.findByLabelText("Search settings"), "vs code");
  await user.click(screen.getByRole("link", { name: "Connect an app" }));
  await expect.poll(() => router.state.location.pathname).toBe("/settings/clients");
  expect(await screen.findByRole("heading", { level: 1, name: "Connected apps" })).toBeTruthy();
});

test("what a search finds leads to a page that there is, with the part that is meant", async () => {
  const { user, router } = open(server, "/settings/general");
  await user.type(await screen.findByLabelText("Search settings"), "policy");
  await user.click(screen.getByRole("link", { name: "Rules about tools" }));
  await expect.poll(() => router.state.location.href).toBe("/approvals?tab=rules");
  expect(await screen.findByText(/A rule that denies is stronger/)).toBeTruthy();
  for (const { to } of ENTRIES) {
    expect(router.matchRoutes(new URL(to, "http://x").pathname, {}).length).toBeGreaterThan(1);
  }
});

test("the theme is chosen and kept", async () => {
  const { user } = open(server, "/settings/general");
  await user.click(await screen.findByRole("radio", { name: "Dark" }));
  expect(document.documentElement.dataset.theme).toBe("dark");
  await user.click(screen.getByRole("radio", { name: "As the system" }));
  expect(document.documentElement.dataset.theme).toBeUndefined();
});

test("diagnostics say what is not well and what to do", async () => {
  open(server, "/settings/about");
  const findings = within(await screen.findByRole("list", { name: "Findings" }));
  const space = within(
    findings
      .getAllByRole("listitem")
      .find((it) => /Space/.test(it.textContent ?? "")) as HTMLElement,
  );
  expect(space.getByText("Look at this:", { exact: false })).toBeTruthy();
  expect(space.getByText("archestra servers remove")).toBeTruthy();
  expect(screen.getByText("Archestra 0.1.0")).toBeTruthy();
});

test("a section that there is not is told", async () => {
  open(server, "/settings/moon");
  expect(await screen.findByText("There is nothing at this address")).toBeTruthy();
});

// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();
const main = async () => within(await screen.findByRole("main"));

test("an empty program says what is missing, with one button for each thing", async () => {
  const { user } = open(server, "/", "empty");
  server.use(
    http.get("/api/v1/doctor", () =>
      HttpResponse.json({
        findings: [
          { check: "podman", level: "ok", message: "Podman runs" },
          {
            check: "image",
            level: "problem",
            message: "`archestra-base` is not there",
            fix: "run `archestra image build`",
          },
        ],
      }),
    ),
  );
  const page = await main();
  expect(await page.findByText("archestra image build")).toBeTruthy();
  expect(page.getByRole("button", { name: "Look again" })).toBeTruthy();
  expect(page.getByRole("link", { name: "Set one up" })).toBeTruthy();
  expect(page.getByRole("link", { name: "Add a server" }).getAttribute("href")).toBe(
    "/servers/add",
  );
  await user.click(page.getByRole("button", { name: "Look for models" }));
  await expect.poll(() => asked).toEqual(["POST /api/v1/providers/discover"]);
});

test("three servers without keys lead to their review, and three questions to the message", async () => {
  const { user } = open(server, "/", "empty");
  const page = await main();
  const add = await page.findByRole("link", { name: "Add Time" });
  expect(add.getAttribute("href")).toBe("/servers/add?package=pypi%3Amcp-server-time");
  expect(page.getAllByRole("link", { name: /^Add (Time|Everything|Files)$/ })).toHaveLength(3);
  await user.click(page.getByRole("button", { name: /Explain this error/ }));
  expect(page.getByRole<HTMLTextAreaElement>("textbox").value).toMatch(/^Explain this error/);
});

test("who has chats and servers is not told again what is ready", async () => {
  open(server, "/");
  const page = await main();
  expect(await page.findByRole("button", { name: /Compare two offers/ })).toBeTruthy();
  await expect.poll(() => page.queryByText("A sandbox")).toBeNull();
});

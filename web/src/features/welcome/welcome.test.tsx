// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import type { BaseImage } from "@/api/types";
import { asked, open, standIn } from "@/test/page";

const server = standIn();
const missing: BaseImage = {
  reference: "localhost/archestra-base:1",
  state: "missing",
  can_be_made: true,
  began_at: null,
  step: null,
  line: null,
  reason: null,
  fix: null,
};
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
  expect(await page.findByRole("button", { name: "Make the base image" })).toBeTruthy();
  expect(page.getByRole("link", { name: "Set one up" })).toBeTruthy();
  expect(page.getByRole("link", { name: "Add a server" }).getAttribute("href")).toBe(
    "/servers/add",
  );
  await user.click(page.getByRole("button", { name: "Look for models" }));
  await expect.poll(() => asked).toEqual(["POST /api/v1/providers/discover"]);
});

test("the base image is made by a button, with what is being done, and tried again where it failed", async () => {
  const { user } = open(server, "/", "empty");
  let image: BaseImage = { ...missing };
  let isThere = false;
  server.use(
    http.get("/api/v1/doctor", () =>
      HttpResponse.json({
        findings: [
          { check: "podman", level: "ok", message: "Podman runs", fix: null },
          isThere
            ? { check: "image", level: "ok", message: "`archestra-base` is there", fix: null }
            : { check: "image", level: "problem", message: "it is not there", fix: null },
        ],
      }),
    ),
    http.get("/api/v1/image", () => HttpResponse.json(image)),
    http.post("/api/v1/image", () => {
      image = { ...missing, state: "making", began_at: Date.now(), step: "unpack packages" };
      return HttpResponse.json(image, { status: 202 });
    }),
  );
  const page = await main();
  await user.click(await page.findByRole("button", { name: "Make the base image" }));
  expect(await page.findByRole("progressbar", { name: "Unpack packages" })).toBeTruthy();
  image = { ...missing, state: "failed", reason: "the disk is full", fix: "make room" };
  await user.click(await page.findByRole("button", { name: "Try again" }));
  expect(asked).toEqual(["POST /api/v1/image", "POST /api/v1/image"]);
  isThere = true;
  image = { ...missing, state: "ready" };
  expect(await page.findByText("Podman runs.")).toBeTruthy();
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

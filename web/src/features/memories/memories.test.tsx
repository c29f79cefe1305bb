// @vitest-environment jsdom
import { act, screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { tell } from "@/api/events";
import { asked, open, standIn } from "@/test/page";

const server = standIn();

test("a memory that a model has changed is seen at once", async () => {
  const { client } = open(server, "/memories");
  expect(await screen.findByText(/No greetings/)).toBeTruthy();
  const changed = { name: "tone", value: "Rhyme", created_at_ms: 0, updated_at_ms: Date.now() };
  server.use(http.get("/api/v1/memories", () => HttpResponse.json({ memories: [changed] })));
  act(() => tell(client, { type: "memory_changed", ...changed }));
  expect(await screen.findByText("Rhyme")).toBeTruthy();
  expect(screen.queryByText(/No greetings/)).toBeNull();
});

test("one that was changed while it is written says so, and keeps what was typed", async () => {
  const { client, user } = open(server, "/memories");
  await user.click(await screen.findByRole("button", { name: "Change tone" }));
  const form = within(screen.getByRole("form", { name: "Change tone" }));
  await user.type(form.getByLabelText("tone"), " Please.");
  const changed = { name: "tone", value: "Rhyme", created_at_ms: 0, updated_at_ms: 1 };
  server.use(http.get("/api/v1/memories", () => HttpResponse.json({ memories: [changed] })));
  act(() => tell(client, { type: "memory_changed", ...changed }));
  expect(await form.findByText("It was changed meanwhile.")).toBeTruthy();
  expect(form.getByLabelText<HTMLTextAreaElement>("tone").value).toMatch(/ Please\.$/);
  await user.click(form.getByRole("button", { name: "Save mine" }));
  await expect.poll(() => asked[0]).toMatch(/^PUT \/api\/v1\/memories\/tone .* Please\./);
});

test("something new is remembered under its name", async () => {
  const { user } = open(server, "/memories", "empty");
  await user.click(
    (await screen.findAllByRole("button", { name: "Remember something" }))[0] as HTMLElement,
  );
  await user.type(screen.getByLabelText("Name"), "a/b");
  await user.type(screen.getByLabelText("What to remember"), "c");
  await user.click(screen.getByRole("button", { name: "Save" }));
  await expect.poll(() => asked).toEqual(['PUT /api/v1/memories/a%2Fb {"value":"c"}']);
});

test("one is forgotten with one press", async () => {
  const { user } = open(server, "/memories");
  await user.click(await screen.findByRole("button", { name: "Forget team" }));
  await expect.poll(() => asked).toEqual(["DELETE /api/v1/memories/team"]);
});

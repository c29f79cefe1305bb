// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import type { ReactNode } from "react";
import { expect, test, vi } from "vitest";
import { asked, open, standIn } from "@/test/page";

// Nothing is ever in sight where nothing has a size.
vi.mock("virtua", () => ({ Virtualizer: ({ children }: { children: ReactNode }) => children }));

const server = standIn();

const versionsOf = async (words: string) => {
  const group = (await screen.findByText(words)).closest("[role=group]");
  if (!(group instanceof HTMLElement)) throw new Error(`${words}, and no group around it`);
  return within(group);
};

test("the versions of a question and of an answer are shown in each other's place, by keys too", async () => {
  const { user } = open(server, "/chats/c3");
  expect(await screen.findByText("Good morning, I ask for the 250 euros of EU 261.")).toBeTruthy();
  const answer = await versionsOf("Version 3 of 3");
  const after = answer.getByRole("button", { name: "Show the version after" });
  expect(after.getAttribute("aria-disabled")).toBe("true");
  const before = answer.getByRole("button", { name: "Show the version before" });
  before.focus();
  await user.keyboard("{Enter}");
  expect(
    await screen.findByText("Dear team, thank you for getting me home, if late."),
  ).toBeTruthy();
  expect(screen.queryByText("Shorter, please")).toBeNull();
  expect(document.activeElement).toBe(before);
  await user.keyboard("{Enter}");
  expect(await screen.findByText(/four hours late/)).toBeTruthy();
  await user.keyboard("{Enter}");
  expect(asked).toEqual([
    "POST /api/v1/chats/c3/messages/v5/show",
    "POST /api/v1/chats/c3/messages/v4/show",
  ]);

  const question = await versionsOf("Version 2 of 2");
  await user.click(question.getByRole("button", { name: "Show the version before" }));
  expect(await screen.findByText("Write to the airline: they owe me 250 euros")).toBeTruthy();
  expect(screen.queryByText(/four hours late/)).toBeNull();
});

test("while an answer is being written, no other version can be chosen", async () => {
  const { user } = open(server, "/chats/c3");
  const message = (id: string, role: string, siblings: string[], text: string) => ({
    ...{ id, role, siblings, created_at_ms: 1 },
    parts: [{ type: "text", text }],
  });
  server.use(
    http.get("/api/v1/chats/c3", () =>
      HttpResponse.json({
        ...{ id: "c3", title: "A letter", status: "running", archived: false, queued: [] },
        ...{ created_at_ms: 1, updated_at_ms: 1, has_older: false, context: null },
        messages: [message("w2", "user", ["w1", "w2"], "Once more")],
        run: { id: "r", state: "running", message: "w3" },
      }),
    ),
  );
  const question = await versionsOf("Version 2 of 2");
  for (const name of ["Show the version before", "Show the version after"]) {
    const button = question.getByRole("button", { name });
    expect(button.getAttribute("aria-disabled")).toBe("true");
    await user.click(button);
  }
  expect(asked).toEqual([]);
});

// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();

test("a first message that is refused leaves no empty chat, and is kept where it was written", async () => {
  const { user, router } = open(server, "/");
  server.use(
    http.post("/api/v1/chats", () => HttpResponse.json({ id: "c77" }, { status: 201 })),
    http.post("/api/v1/chats/:chat/messages", () =>
      HttpResponse.json({ code: "invalid", message: "the message is too long" }, { status: 400 }),
    ),
    http.delete("/api/v1/chats/:chat", () => new HttpResponse(null, { status: 204 })),
  );
  const field = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: "Message" });
  await user.type(field, "What time is it?{Enter}");
  await expect.poll(() => asked.at(-1)).toBe("DELETE /api/v1/chats/c77");
  await expect.poll(() => field.value).toBe("What time is it?");
  expect(router.state.location.pathname).toBe("/");
});

// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { open, standIn } from "@/test/page";

const server = standIn();

test("a message that was not taken is there again, before what was written meanwhile", async () => {
  const { user } = open(server, "/");
  let refuse = () => {};
  const refused = new Promise<void>((resolve) => {
    refuse = resolve;
  });
  server.use(
    http.post("*/api/v1/chats", async () => {
      await refused;
      return HttpResponse.json({ code: "busy", message: "the disk is full" }, { status: 503 });
    }),
  );
  const field = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: "Message" });
  await user.type(field, "first{Enter}");
  expect(field.value).toBe("");
  await user.type(field, "second");
  refuse();
  await expect.poll(() => field.value).toBe("first\nsecond");
  expect(localStorage.getItem("archestra.draft.new")).toBe("first\nsecond");
});

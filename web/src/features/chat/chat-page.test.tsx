// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { open, standIn } from "@/test/page";

const server = standIn();

const bar = async () =>
  within((await screen.findByLabelText("Rename the chat")).closest("header") ?? document.body);

test("a chat that asks says so beside its title, also before its run is put aside", async () => {
  open(server, "/chats/c1");
  server.use(
    http.get("/api/v1/chats/c1", () =>
      HttpResponse.json({
        ...{ id: "c1", title: "Slow checkout", status: "waiting", archived: false },
        ...{ created_at_ms: 1, updated_at_ms: 1, has_older: false, context: null },
        ...{ messages: [], queued: [] },
        run: { id: "r1", state: "running", message: "m2" },
      }),
    ),
  );
  expect(await (await bar()).findByText("Waiting for you")).toBeTruthy();
  expect(screen.getByText("A decision of yours is needed")).toBeTruthy();
});

test("a chat that writes waits for nobody", async () => {
  open(server, "/chats/c2");
  expect(await screen.findByText("An answer is being written")).toBeTruthy();
  expect((await bar()).queryByText("Waiting for you")).toBeNull();
});

// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();

test("an app gets a token of its own and the text with it, once", async () => {
  const { user } = open(server, "/settings/clients");
  await user.click(await screen.findByRole("button", { name: "Connect an app" }));
  const dialog = within(await screen.findByRole("dialog"));
  await user.selectOptions(dialog.getByLabelText("App"), "cursor");
  expect(dialog.getByLabelText<HTMLInputElement>("Name").value).toBe("Cursor 2");
  await user.click(dialog.getByRole("radio", { name: "Only some" }));
  await user.click(await dialog.findByRole("checkbox", { name: "Git" }));
  await user.click(dialog.getByRole("button", { name: "Let it in" }));
  expect(await dialog.findByText("~/.cursor/mcp.json")).toBeTruthy();
  expect(dialog.getByText(/"Authorization": "Bearer arc_demo_/)).toBeTruthy();
  expect(dialog.getByText(/127.0.0.1:9000\/mcp/)).toBeTruthy();
  expect(asked).toEqual(['POST /api/v1/tokens {"name":"Cursor 2","servers":["git"]}']);
  expect(dialog.getByRole("status").textContent).toBe("Waiting for Cursor to come in");
  server.use(
    http.get("/api/v1/tokens", () =>
      HttpResponse.json({
        tokens: [
          {
            id: "tok_new",
            name: "Cursor 2",
            kind: "client",
            principal: "mira",
            created_at_ms: 0,
            last_used_at_ms: 1,
          },
        ],
      }),
    ),
  );
  await expect.poll(() => dialog.getByRole("status").textContent).toBe("Cursor has come in");
});

test("an app is shut out after it is said what that means", async () => {
  const { user } = open(server, "/settings/clients");
  await user.click(await screen.findByRole("button", { name: "Shut out… build server" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Shut build server out?" }));
  expect(dialog.getByText(/not taken any more, at once/)).toBeTruthy();
  await user.click(dialog.getByRole("button", { name: "Shut build server out" }));
  await expect.poll(() => asked).toEqual(["DELETE /api/v1/tokens/tok_2"]);
});

test("where no app is connected, that is said", async () => {
  open(server, "/settings/clients", "empty");
  expect(await screen.findByText("No app is connected")).toBeTruthy();
});

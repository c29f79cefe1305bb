// @vitest-environment jsdom
import { fireEvent, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { open, standIn } from "@/test/page";

const server = standIn();

test("a dialog that is closed gives the focus back at once, so that the next key is not lost", async () => {
  const { user } = open(server, "/servers/add");
  const field = await screen.findByLabelText("Package or command");
  await user.type(field, "github-mcp{Enter}");
  const dialog = await screen.findByRole("dialog", { name: "Add Github?" });
  expect(dialog.contains(document.activeElement)).toBe(true);
  // Two keys of which the second comes before anything else has its turn.
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "Escape" });
  expect(screen.queryByRole("dialog")).toBeNull();
  expect(document.activeElement).toBe(field);
});

import { expect, test } from "vitest";
import type { AuditEvent } from "@/api/types";
import { aboutWords, ending, isPeriod, kindWords, whoWords } from "./audit-words";

const event = (given: Partial<AuditEvent>): AuditEvent => ({
  id: 1,
  at_ms: 0,
  kind: "tool.call",
  ...given,
});

test("a kind that this page does not know is told by its name", () => {
  expect(kindWords("tool.call")).toBe("Called a tool");
  expect(kindWords("moon.landing_begun")).toBe("Moon landing begun");
});

test.each([
  [{ decision: "denied", outcome: null }, "Denied"],
  [{ outcome: "ok", decision: "allowed" }, "Done"],
  [{ outcome: "tool_error" }, "Tool failed"],
  [{ outcome: "timed_out" }, "Timed out"],
  [{ decision: "asked" }, "Asked"],
  [{ kind: "egress.refused", outcome: "refused" }, "Refused"],
  [{ kind: "server.add" }, undefined],
])("%j ended: %s", (given, word) => expect(ending(event(given))?.word).toBe(word));

test("who did it is the app before the person in whose name it acts", () => {
  expect(whoWords(event({ client: "Cursor", principal: "mira" }))).toBe("Cursor");
  expect(whoWords(event({ chat: "c1", principal: "mira" }))).toBe("A chat");
  expect(whoWords(event({ principal: "mira" }))).toBe("mira");
  expect(whoWords(event({}))).toBe("Archestra");
});

test("what it is about is a server, a tool, a host", () => {
  const detail = { target: "x:443" } as Record<string, unknown>;
  expect(aboutWords(event({ server_slug: "git", tool: "log", detail }))).toBe("git log · x:443");
  expect(aboutWords(event({ detail: { tool: "delete_*", effect: "deny" } as never }))).toBe(
    "delete_*",
  );
  expect(aboutWords(event({}))).toBe("");
});

test("only known periods are periods", () => {
  expect(isPeriod("week")).toBe(true);
  expect(isPeriod("toString")).toBe(false);
});

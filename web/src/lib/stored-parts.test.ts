import { expect, test } from "vitest";
import { storedParts } from "./stored-parts";

const CALL = { type: "dynamic-tool", toolName: "git__log", toolCallId: "t", state: "output-error" };

test.each([
  ["a step", { type: "step-start" }, true],
  ["a text", { type: "text", text: "" }, true],
  ["a text without one", { type: "text" }, false],
  ["a thought", { type: "reasoning", id: "0", text: "so", state: "done" }, true],
  ["a call", CALL, true],
  ["a call in a state that nobody knows", { ...CALL, state: "dreaming" }, false],
  ["a call without a name", { ...CALL, toolName: undefined }, false],
  ["a file", { type: "file", mediaType: "text/csv", url: "data:text/csv;base64,YQ==" }, true],
  ["a file without a type", { type: "file", url: "data:," }, false],
  ["data", { type: "data-usage", id: "1", data: null }, true],
  ["data without any", { type: "data-usage" }, false],
  ["what a newer program keeps", { type: "hologram", text: "so" }, false],
  ["nothing", null, false],
  ["a word", "text", false],
])("%s", (_, part, isShown) => {
  expect(storedParts([part])).toEqual(isShown ? [part] : []);
});

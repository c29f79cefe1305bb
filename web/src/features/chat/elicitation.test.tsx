// @vitest-environment jsdom
import { QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { makeQueryClient } from "@/api/query-client";
import { TipProvider } from "@/components/tooltip";
import type { Message } from "@/lib/message";
import { asked, become, standIn } from "@/test/page";
import { LiveMessage } from "./answer";
import { Elicitation } from "./elicitation";
import { LiveAnswer } from "./live";

const server = standIn();

test("a wrong answer is told at its field, and nothing is sent before it is right", async () => {
  become(server, "full");
  const schema = {
    type: "object",
    properties: { name: { type: "string" }, mail: { type: "string", format: "email" } },
    required: ["name"],
  };
  const question = {
    id: "e1",
    callId: "c1",
    message: "Who are you?",
    schema,
    url: null,
    action: null,
  };
  const user = userEvent.setup();
  render(
    <QueryClientProvider client={makeQueryClient()}>
      <TipProvider>
        <Elicitation chat="chat1" question={question} toolName="time__ask" running />
      </TipProvider>
    </QueryClientProvider>,
  );
  const send = screen.getByRole("button", { name: "Send the answer" });
  await user.type(await screen.findByLabelText("Mail"), "nobody");
  await user.click(send);
  expect(screen.getByText("This is needed")).toBeTruthy();
  expect(screen.getByText(/name@example.com is needed/)).toBeTruthy();
  expect(asked).toEqual([]);
  await user.type(screen.getByLabelText("Mail"), "@example.com");
  await user.type(screen.getByLabelText(/^Name/), "Ada");
  await user.click(send);
  await expect.poll(() => asked[0]).toMatch(/elicitations\/e1/);
  expect(asked[0]).toContain('"content":{"name":"Ada","mail":"nobody@example.com"}');
});

test("what is written in a form stays when the answer begins to come, and when it has come", async () => {
  become(server, "full");
  const tool = {
    toolCallId: "c1",
    toolName: "time__ask",
    dynamic: true,
  };
  const data = {
    id: "e1",
    callId: "c1",
    message: "Who are you?",
    schema: { type: "object", properties: { name: { type: "string" } } },
  };
  const message: Message = {
    id: "m1",
    role: "assistant",
    metadata: null,
    parts: [
      { type: "dynamic-tool", state: "input-available", input: {}, ...tool },
      { type: "data-elicitation", data },
    ],
  };
  const client = makeQueryClient();
  const page = (live: LiveAnswer | null) => (
    <QueryClientProvider client={client}>
      <TipProvider>
        <LiveMessage
          live={live}
          stored={message}
          chat="chat1"
          models={[]}
          running
          tookMs={null}
          isLast
          onAgain={() => {}}
          onResume={() => {}}
          onEscape={() => {}}
        />
      </TipProvider>
    </QueryClientProvider>
  );
  const user = userEvent.setup();
  const { rerender } = render(page(null));
  const field = await screen.findByLabelText<HTMLInputElement>("Name");
  await user.type(field, "Ada");

  const live = new LiveAnswer("m1");
  live.push(
    [
      { type: "start", messageId: "m1" },
      { type: "tool-input-available", input: {}, ...tool },
      { type: "data-elicitation", data },
    ],
    true,
  );
  live.flush();
  for (const shown of [live, null]) {
    rerender(page(shown));
    expect(screen.getByLabelText("Name")).toBe(field);
    expect(field.value).toBe("Ada");
  }
});

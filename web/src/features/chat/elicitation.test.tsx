// @vitest-environment jsdom
import { QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { makeQueryClient } from "@/api/query-client";
import { TipProvider } from "@/components/tooltip";
import { asked, become, standIn } from "@/test/page";
import { Elicitation } from "./elicitation";

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

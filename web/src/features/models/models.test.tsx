// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { asked, open, standIn } from "@/test/page";

const server = standIn();
const card = async (name: string) => within(await screen.findByRole("region", { name }));

test("a provider says where it is, what it has, and which model new chats begin with", async () => {
  const { user } = open(server, "/settings/models");
  const ollama = await card("Ollama");
  expect(ollama.getByText("Works")).toBeTruthy();
  const rows = within(await ollama.findByRole("table", { name: "Models of Ollama" }));
  expect(rows.getByRole("row", { name: /Qwen3 14B.*Chosen/ })).toBeTruthy();
  expect(rows.getByRole("row", { name: /Gemma 3 4B.*Cannot/ })).toBeTruthy();
  await user.click(rows.getByRole("button", { name: "Choose Gemma 3 4B for new chats" }));
  await expect
    .poll(() => asked)
    .toEqual(['PUT /api/v1/models/default {"provider":"ollama","model":"gemma3:4b"}']);
});

test("a refused key is told with its fix, and replaced at the same place", async () => {
  const { user } = open(server, "/settings/models");
  const openai = await card("OpenAI");
  expect(openai.getByText("Key refused")).toBeTruthy();
  expect(openai.getByText(/it was revoked on 18 Nov/)).toBeTruthy();
  await user.type(openai.getByLabelText("Key of OpenAI"), "sk-new");
  await user.click(openai.getByRole("button", { name: "Test and save" }));
  await expect
    .poll(() => asked)
    .toEqual([
      'PUT /api/v1/providers/openai/key {"key":"sk-new"}',
      "POST /api/v1/providers/openai/test",
    ]);
});

test("a provider is added by its address and tried at once", async () => {
  const { user } = open(server, "/settings/models", "empty");
  expect(await screen.findByText("No provider of models is known")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Add a provider" }));
  const form = within(screen.getByRole("form", { name: "A new provider" }));
  expect(form.getByRole("button", { name: "Add and test" }).hasAttribute("disabled")).toBe(true);
  await user.selectOptions(form.getByLabelText("Provider"), "other");
  await user.type(form.getByLabelText(/^Address/), "localhost:8000/v1");
  await user.click(form.getByRole("button", { name: "Add and test" }));
  await expect
    .poll(() => asked)
    .toEqual([
      'POST /api/v1/providers {"kind":"openai","base_url":"localhost:8000/v1"}',
      "POST /api/v1/providers/prov_new/test",
    ]);
});

test("one that was found by itself is switched off, not removed", async () => {
  const { user } = open(server, "/settings/models");
  const ollama = await card("Ollama");
  await user.click(ollama.getByRole("button", { name: "More for Ollama" }));
  expect(screen.queryByRole("menuitem", { name: "Remove…" })).toBeNull();
  await user.click(await screen.findByRole("menuitem", { name: "Switch off" }));
  await expect.poll(() => asked).toEqual(['PATCH /api/v1/providers/ollama {"enabled":false}']);
});

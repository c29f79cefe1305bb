import { QueryObserver } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { tell } from "@/api/events";
import { keys } from "@/api/queries";
import { makeQueryClient } from "@/api/query-client";

test("a list that is loaded for the first time while something happens is asked for once more", async () => {
  const client = makeQueryClient();
  const answers: Array<(answer: string) => void> = [];
  const observer = new QueryObserver(client, {
    queryKey: keys.chats,
    queryFn: () => new Promise<string>((answer) => answers.push(answer)),
  });
  const forget = observer.subscribe(() => {});
  await expect.poll(() => answers.length).toBe(1);
  // Many at once are one more question, and none of them keeps the first answer away.
  for (let i = 0; i < 5; i++) {
    tell(client, { type: "chat_changed", id: "c1", title: "After", status: "idle" });
  }
  expect(answers.length).toBe(1);
  answers[0]?.("before");
  await expect.poll(() => answers.length).toBe(2);
  expect(client.getQueryData(keys.chats)).toBe("before");
  answers[1]?.("after");
  await expect.poll(() => client.getQueryData(keys.chats)).toBe("after");
  expect(answers.length).toBe(2);
  forget();
});

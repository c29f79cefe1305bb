// @vitest-environment jsdom
import { QueryClientProvider } from "@tanstack/react-query";
import { renderHook, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import type { ReactNode } from "react";
import { expect, test } from "vitest";
import { tell } from "@/api/events";
import { makeQueryClient } from "@/api/query-client";
import { standIn } from "@/test/page";
import { useChat } from "./use-chat";

const server = standIn();

test("a chat that is still being loaded when something happens is loaded as it is afterwards", async () => {
  const titled = (title: string) => HttpResponse.json({ id: "c1", title, messages: [], run: null });
  let loads = 0;
  let deliver = () => {};
  const late = new Promise<void>((done) => (deliver = done));
  server.use(
    http.get("/api/v1/chats/:chat", async () => {
      loads += 1;
      if (loads > 1) return titled("After");
      await late;
      return titled("Before");
    }),
    http.get("/api/v1/chats/:chat/stream", () => new HttpResponse(null, { status: 204 })),
  );
  const client = makeQueryClient();
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  const { result } = renderHook(() => useChat("c1"), { wrapper });
  await waitFor(() => expect(loads).toBe(1));

  tell(client, { type: "chat_changed", id: "c1", title: "After", status: "idle" });
  await waitFor(() => expect(loads).toBe(2));
  deliver();
  await waitFor(() => expect(client.isFetching()).toBe(0));
  expect(result.current.details?.title).toBe("After");
});

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { followEvents } from "@/api/events";
import { makeQueryClient } from "@/api/query-client";
import { followLinks, signIn } from "@/api/session";
import { Toaster } from "@/components/toaster";
import { TipProvider } from "@/components/tooltip";
import { makeRouter } from "@/routes/router";
import "@/styles/app.css";

async function start(root: HTMLElement): Promise<void> {
  if (import.meta.env.MODE === "demo") await (await import("@/mocks/browser")).startMocks();
  await signIn();
  const client = makeQueryClient();
  const router = makeRouter(client);
  followEvents(client);
  followLinks();
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <TipProvider>
          <RouterProvider router={router} />
          <Toaster />
        </TipProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}

const root = document.getElementById("root");
if (root) void start(root);

import { QueryClient } from "@tanstack/react-query";
import { ApiFailure } from "@/api/client";

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Events say what has changed; a look at the window is enough for what they miss.
        staleTime: 30_000,
        gcTime: 10 * 60_000,
        retry: (times, error) => times < 2 && error instanceof ApiFailure && error.status >= 500,
        refetchOnWindowFocus: true,
        networkMode: "always",
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
}

import { useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import type { EditServer } from "@/api/types";
import { type Action, useAction } from "@/lib/use-action";

/** One change of a server at a time, each where the person has made it. */
export interface Editing extends Action {
  /** Changes what is named, and nothing else; true where it went well. */
  edit: (word: string, body: EditServer) => Promise<boolean>;
  /** As `run`, and what is shown of the server is asked for again after it. */
  change: (word: string, what: () => Promise<unknown>) => Promise<boolean>;
}

export function useEditServer(slug: string): Editing {
  const client = useQueryClient();
  const action = useAction();
  const change = (word: string, what: () => Promise<unknown>) =>
    action.run(word, async () => {
      await what();
      await Promise.all([
        client.invalidateQueries({ queryKey: keys.server(slug) }),
        client.invalidateQueries({ queryKey: keys.servers }),
      ]);
    });
  const edit = (word: string, body: EditServer) =>
    change(word, () => api.patch("/api/v1/servers/{server}", { path: { server: slug }, body }));
  return { ...action, change, edit };
}

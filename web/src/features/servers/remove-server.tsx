import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import type { ServerDetails } from "@/api/types";
import { Confirm } from "@/components/dialog";

/** Asks before a server goes, and says what goes with it. */
export function RemoveServer({
  server,
  open,
  onOpenChange,
}: {
  server: ServerDetails;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const navigate = useNavigate();
  const client = useQueryClient();
  return (
    <Confirm
      open={open}
      onOpenChange={onOpenChange}
      title={`Remove ${server.title}?`}
      lost={
        <>
          Its container, what was installed, its log, its secrets, and all that you said about its
          tools are deleted. Your folders stay as they are, and so does the audit.
        </>
      }
      action={`Remove ${server.title}`}
      onConfirm={async () => {
        await api.delete("/api/v1/servers/{server}", { path: { server: server.slug } });
        await navigate({ to: "/servers" });
        client.removeQueries({ queryKey: keys.server(server.slug) });
        await client.invalidateQueries({ queryKey: keys.servers });
      }}
    />
  );
}

import { useQueryClient } from "@tanstack/react-query";
import { ApiFailure, api } from "@/api/client";
import { keys } from "@/api/queries";
import type { Approval } from "@/api/types";
import type { Decision } from "@/components/approval-card";

/** Answers a request as it was seen; one that is another by now is refused by the program. */
export function useDecide(approval: Approval): (decision: Decision) => Promise<void> {
  const client = useQueryClient();
  return async (decision) => {
    const { id, pin } = approval;
    const body =
      decision.kind === "deny"
        ? {
            decision: "deny" as const,
            pin,
            ...(decision.reason ? { reason: decision.reason } : {}),
          }
        : {
            decision: "approve" as const,
            pin,
            scope: decision.scope,
            ...(decision.args ? { arguments: decision.args as never } : {}),
          };
    try {
      await api.post("/api/v1/approvals/{approval}/decide", { path: { approval: id }, body });
    } catch (error) {
      // Somebody else was faster, or the tool changed: what is shown is asked for again.
      if (!(error instanceof ApiFailure) || error.status !== 409) throw error;
      await client.invalidateQueries({ queryKey: keys.approval(id) });
      throw error;
    } finally {
      void client.invalidateQueries({ queryKey: keys.approvals });
      void client.invalidateQueries({ queryKey: keys.grants });
    }
    await client.invalidateQueries({ queryKey: keys.approval(id) });
  };
}

import { useSearch } from "@tanstack/react-router";
import { AuditPage } from "@/features/audit/audit-page";

export default function AuditRoute() {
  const { q, kind, server, client, decision, period } = useSearch({ from: "/audit" });
  const filters = { q, kind, server, client, decision, period };
  const given = Object.entries(filters).filter(([, value]) => value !== undefined);
  return <AuditPage filters={Object.fromEntries(given)} />;
}

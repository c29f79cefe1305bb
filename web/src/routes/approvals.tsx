import { useSearch } from "@tanstack/react-router";
import { ApprovalsPage } from "@/features/approvals/approvals-page";

export default function ApprovalsRoute() {
  const { tab } = useSearch({ from: "/approvals" });
  return <ApprovalsPage tab={tab} />;
}

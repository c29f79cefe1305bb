import { useParams } from "@tanstack/react-router";
import { ApprovalPage } from "@/features/approvals/approvals-page";

export default function ApprovalRoute() {
  const { approval } = useParams({ from: "/approvals/$approval" });
  return <ApprovalPage id={approval} />;
}

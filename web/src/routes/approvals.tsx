import { PageBody, PageTitle } from "@/components/page";

export default function ApprovalsPage() {
  return (
    <PageBody>
      <PageTitle>Approvals</PageTitle>
    </PageBody>
  );
}

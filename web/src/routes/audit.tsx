import { PageBody, PageTitle } from "@/components/page";

export default function AuditPage() {
  return (
    <PageBody>
      <PageTitle>Audit</PageTitle>
    </PageBody>
  );
}

import { PageBody, PageTitle } from "@/components/page";

export default function ServersPage() {
  return (
    <PageBody>
      <PageTitle>Servers</PageTitle>
    </PageBody>
  );
}

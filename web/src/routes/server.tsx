import { PageBody, PageTitle } from "@/components/page";

export default function ServerPage() {
  return (
    <PageBody>
      <PageTitle>Server</PageTitle>
    </PageBody>
  );
}

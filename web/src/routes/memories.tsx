import { PageBody, PageTitle } from "@/components/page";

export default function MemoriesPage() {
  return (
    <PageBody>
      <PageTitle>Memories</PageTitle>
    </PageBody>
  );
}

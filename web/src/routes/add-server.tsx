import { PageBody, PageTitle } from "@/components/page";

export default function AddServerPage() {
  return (
    <PageBody>
      <PageTitle>AddServer</PageTitle>
    </PageBody>
  );
}

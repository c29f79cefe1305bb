import { PageBody, PageTitle } from "@/components/page";

export default function HomePage() {
  return (
    <PageBody>
      <PageTitle>Home</PageTitle>
    </PageBody>
  );
}

import { PageBody, PageTitle } from "@/components/page";

export default function SettingsPage() {
  return (
    <PageBody>
      <PageTitle>Settings</PageTitle>
    </PageBody>
  );
}

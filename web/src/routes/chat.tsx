import { PageBody, PageTitle } from "@/components/page";

export default function ChatPage() {
  return (
    <PageBody>
      <PageTitle>Chat</PageTitle>
    </PageBody>
  );
}

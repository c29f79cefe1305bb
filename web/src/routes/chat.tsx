import { useParams } from "@tanstack/react-router";
import { ChatPage } from "@/features/chat/chat-page";

export default function ChatRoute() {
  const { chat } = useParams({ from: "/chats/$chat" });
  return <ChatPage id={chat} />;
}

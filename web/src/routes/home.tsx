import { NewChat } from "@/features/chat/new-chat";

export default function HomePage() {
  return <NewChat>{() => <h1 className="p-8">New chat</h1>}</NewChat>;
}

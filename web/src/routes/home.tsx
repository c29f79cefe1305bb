import { NewChat } from "@/features/chat/new-chat";
import { Welcome } from "@/features/welcome/welcome";

export default function HomePage() {
  return <NewChat>{(suggest) => <Welcome suggest={suggest} />}</NewChat>;
}

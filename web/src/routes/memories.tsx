import { MemoriesPage } from "@/features/memories/memories-page";

export default function MemoriesRoute() {
  return <MemoriesPage />;
}

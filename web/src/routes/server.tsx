import { useParams, useSearch } from "@tanstack/react-router";
import { ServerPage } from "@/features/servers/server-page";

export default function ServerRoute() {
  const { server } = useParams({ from: "/servers/$server" });
  const { tab, tool } = useSearch({ from: "/servers/$server" });
  return <ServerPage key={server} slug={server} tab={tab} tool={tool} />;
}

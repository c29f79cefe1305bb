import { useSearch } from "@tanstack/react-router";
import { AddServerPage } from "@/features/servers/add-page";

export default function AddServerRoute() {
  const { way, package: given, from } = useSearch({ from: "/servers/add" });
  return <AddServerPage way={way} package={given} from={from} />;
}

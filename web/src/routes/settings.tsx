import { useParams } from "@tanstack/react-router";
import { ClientsSection } from "@/features/clients/clients-section";
import { ModelsSection } from "@/features/models/models-section";
import { AboutSection } from "@/features/settings/about-section";
import { GeneralSection } from "@/features/settings/general-section";
import { SettingsPage } from "@/features/settings/settings-page";
import { NotThere } from "./root";

export default function SettingsRoute() {
  const { section } = useParams({ from: "/settings/$section" });
  const sections: Record<string, React.ReactNode> = {
    general: <GeneralSection />,
    models: <ModelsSection />,
    clients: <ClientsSection />,
    about: <AboutSection />,
  };
  const shown = Object.hasOwn(sections, section) ? sections[section] : null;
  if (!shown) return <NotThere />;
  return <SettingsPage section={section}>{shown}</SettingsPage>;
}

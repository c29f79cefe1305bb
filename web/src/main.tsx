import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Toaster } from "@/components/toaster";
import { TipProvider } from "@/components/tooltip";
import ComponentsPage from "@/routes/components-page";
import "@/styles/app.css";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <TipProvider>
        <ComponentsPage />
        <Toaster />
      </TipProvider>
    </StrictMode>,
  );
}

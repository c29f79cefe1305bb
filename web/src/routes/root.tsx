import { useQuery } from "@tanstack/react-query";
import {
  type ErrorComponentProps,
  Link,
  Outlet,
  useLocation,
  useNavigate,
  useRouter,
} from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { useConnection } from "@/api/connection";
import { whoamiQuery } from "@/api/queries";
import { Button } from "@/components/button";
import { ErrorNote } from "@/components/notice";
import { OutboundQuestion } from "@/components/outbound";
import { PageBody, PageTitle, useTitle } from "@/components/page";
import { ApprovalNews } from "@/features/approvals/news";
import { Away, SignedOut } from "@/features/session/away";
import { Shell } from "@/features/shell/shell";
import { ShortcutList } from "@/features/shell/shortcut-list";
import { Sidebar } from "@/features/shell/sidebar";
import { useShortcut } from "@/lib/keys";

const Palette = lazy(() =>
  import("@/features/palette/palette").then((it) => ({ default: it.Palette })),
);

export function Root() {
  const connection = useConnection();
  // Whatever page it is: whether there is a session is known at once.
  useQuery(whoamiQuery);
  const [searching, setSearching] = useState(false);
  const [helping, setHelping] = useState(false);
  const navigate = useNavigate();
  const { pathname } = useLocation();
  useShortcut("palette", () => setSearching((it) => !it));
  useShortcut("help", () => setHelping(true));
  useShortcut("newChat", () => void navigate({ to: "/" }));
  useShortcut("approvals", () => void navigate({ to: "/approvals" }));
  useShortcut(
    "settings",
    () => void navigate({ to: "/settings/$section", params: { section: "general" } }),
  );
  const help = useCallback(() => setHelping(true), []);

  if (connection === "signed-out") return <SignedOut />;
  if (pathname === "/components") return <Outlet />;
  return (
    <>
      <Shell sidebar={<Sidebar onSearch={() => setSearching(true)} />}>
        <Outlet />
      </Shell>
      {searching && (
        <Suspense>
          <Palette onClose={() => setSearching(false)} onHelp={help} />
        </Suspense>
      )}
      <ShortcutList open={helping} onOpenChange={setHelping} />
      <OutboundQuestion />
      <ApprovalNews />
      <Away />
    </>
  );
}

export function NotThere() {
  useTitle("Not there");
  return (
    <PageBody>
      <PageTitle>There is nothing at this address</PageTitle>
      <p className="mt-1 mb-4 text-muted">It may have been removed, or the link is not whole.</p>
      <Button asChild>
        <Link to="/">Start a chat</Link>
      </Button>
    </PageBody>
  );
}

/** What a page shows that broke. */
export function Failed({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  useEffect(() => console.error(error), [error]);
  return (
    <PageBody>
      <ErrorNote
        title="This page could not be shown."
        error={error}
        fix={{
          label: "Try again",
          run: () => {
            reset();
            void router.invalidate();
          },
        }}
      />
    </PageBody>
  );
}

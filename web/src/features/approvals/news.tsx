import { useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { hearEvents } from "@/api/events";
import { toast } from "@/lib/toasts";
import { humanName } from "@/lib/words";

/** Says it wherever one is when something begins to wait, but where one sees it anyway. */
export function ApprovalNews() {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const here = useRef(pathname);
  useEffect(() => {
    here.current = pathname;
  }, [pathname]);
  useEffect(
    () =>
      hearEvents((event) => {
        if (event.type !== "approval_opened") return;
        const { chat, client, id } = event;
        const place = chat ? `/chats/${chat}` : "/approvals";
        if (here.current.startsWith(place) || here.current.startsWith("/approvals")) return;
        toast.tell(`${client ?? "A chat"} asks to run “${humanName(event.tool)}”`, {
          label: "Look",
          run: () =>
            void (chat
              ? navigate({ to: "/chats/$chat", params: { chat } })
              : navigate({ to: "/approvals/$approval", params: { approval: id } })),
        });
      }),
    [navigate],
  );
  return null;
}

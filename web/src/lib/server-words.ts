import type { Shape } from "@/lib/shapes";

/** What of a server its words need. */
interface Standing {
  enabled: boolean;
  status: { state: string; reason?: string | null };
}

interface Words {
  shape: Shape;
  /** For badges and lists. */
  word: string;
  tone: "plain" | "success" | "warning" | "danger";
  /** The state is the normal one and needs no word in a list. */
  normal: boolean;
}

/** Returns the shape and the word of a server's state. */
export function stateWords({ enabled, status }: Standing): Words {
  if (!enabled) return { shape: "idle", word: "Off", tone: "plain", normal: false };
  switch (status.state) {
    case "running":
      return { shape: "run", word: "Running", tone: "success", normal: true };
    case "ready":
      return { shape: "idle", word: "Asleep", tone: "plain", normal: false };
    case "starting":
      return { shape: "busy", word: "Starting", tone: "plain", normal: false };
    case "installing":
      return { shape: "busy", word: "Installing", tone: "plain", normal: false };
    case "waiting_for_consent":
      return { shape: "wait", word: "Asks you", tone: "warning", normal: false };
    case "install_failed":
      return { shape: "fail", word: "Not installed", tone: "danger", normal: false };
    case "failed":
      return { shape: "fail", word: "Failed", tone: "danger", normal: false };
    case "disabled":
      return { shape: "idle", word: "Off", tone: "plain", normal: false };
    default:
      return { shape: "idle", word: status.state, tone: "plain", normal: false };
  }
}

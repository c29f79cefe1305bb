// The log of a server.

import type { LogLine } from "@/api/types";
import { NOW } from "./time";

function at(h: number, m: number, s: number, ms: number): number {
  const day = new Date(NOW);
  day.setHours(h, m, s, ms);
  return day.getTime();
}

const LINES: Array<[number, LogLine["stream"], string]> = [
  [
    at(8, 41, 7, 112),
    "archestra",
    "container started in 0.61 s, no network interface but loopback",
  ],
  [at(8, 41, 7, 930), "stderr", "\u001b[32mGitHub MCP Server running on stdio\u001b[0m"],
  [at(8, 41, 7, 941), "archestra", "process 7 started for `mira`"],
  [at(8, 52, 30, 51), "archestra", "process 7 answers"],
  [
    at(8, 53, 12, 310),
    "archestra",
    "the way out: `telemetry.example-metrics.io:443` is not on the list of hosts (`archestra servers allow github HOST:PORT`)",
  ],
  [at(8, 53, 12, 316), "stderr", "telemetry disabled: connect ECONNREFUSED 127.64.0.9:443"],
  [at(8, 56, 48, 160), "archestra", "process 7 answers"],
  [at(8, 57, 2, 400), "stderr", `a line that does not end ${"z".repeat(3000)}`],
];

export const logLines: LogLine[] = LINES.map(([at_ms, stream, text], i) => ({
  number: i + 1,
  at_ms,
  stream,
  text,
}));

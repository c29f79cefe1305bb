// A chat with what others may send.

import type { MessageBody } from "@/api/types";
import { answered, wrote } from "./messages";
import { DAY } from "./time";

const HOSTILE = `# A heading

<script>alert(1)</script> <img src=x onerror=alert(1)>

![a remote picture](https://tracker.example/pixel.png) and [a link](https://evil.example/login "title") and [script](javascript:alert(1)) and <https://auto.example>

- [x] done
- [ ] not done
  1. nested

> A quote with \u202egnp.exe hidden text\u200b in it

${`A very long word: ${"x".repeat(400)}`}

\`\`\`html
<b onclick="alert(1)">bold</b>
\`\`\`

Unfinished **bold and \`code`;

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAABgAAAAYCAIAAABvFaqvAAAEBUlEQVR42g3MIc9HQADA4ffj/KMoiqJo0iUTBJMumSCYdMkE4TfpkgmCSZdMEEy6ZIIP8no+wPP3i3Ai3Agvwo8IIsIIEZFEZBEyooyoI1REF0GEjpgilggTsUecETbiifj7CRyBK/AEviAQhAIhSASZQApKQS1Qgk6AQAsmwSIwgl1wCqzgEV8U48S4MV6MHxPEhDEiJonJYmRMGVPHqJguhhgdM8UsMSZmjzljbMwTf1GKk+KmeCl+SpASpoiUJCVLkSllSp2iUroUUnTKlLKkmJQ95UyxKU/6RTlOjpvj5fg5QU6YI3KSnCxH5pQ5dY7K6XLI0TlTzpJjcvacM8fmPPkXSRyJK/EkviSQhBIhSSSZREpKSS1Rkk6CREsmySIxkl1ySqzkkV9U4BS4BV6BXxAUhAWiICnICmRBWVAXqIKugAJdMBUsBaZgLzgLbMFTfFGFU+FWeBV+RVARVoiKpCKrkBVlRV2hKroKKnTFVLFUmIq94qywFU/1RQ1Og9vgNfgNQUPYIBqShqxBNpQNdYNq6Bpo0A1Tw9JgGvaGs8E2PM0XKRyFq/AUviJQhAqhSBSZQipKRa1Qik6BQismxaIwil1xKqziUV/U4rS4LV6L3xK0hC2iJWnJWmRL2VK3qJauhRbdMrUsLaZlbzlbbMvTflGP0+P2eD1+T9AT9oiepCfrkT1lT92jeroeenTP1LP0mJ695+yxPU//RQPOgDvgDfgDwUA4IAaSgWxADpQD9YAa6AYY0APTwDJgBvaBc8AOPMMXaRyNq/E0vibQhBqhSTSZRmpKTa1Rmk6DRmsmzaIxml1zaqzm0V804oy4I96IPxKMhCNiJBnJRuRIOVKPqJFuhBE9Mo0sI2ZkHzlH7MgzftGMM+POeDP+TDATzoiZZCabkTPlTD2jZroZZvTMNLPMmJl95pyxM8/8RSvOirvirfgrwUq4IlaSlWxFrpQr9Ypa6VZY0SvTyrJiVvaVc8WuPOsXGRyDa/AMviEwhAZhSAyZQRpKQ21Qhs6AQRsmw2Iwht1wGqzhMV+04Wy4G96GvxFshBtiI9nINuRGuVFvqI1ugw29MW0sG2Zj3zg37MazfdGBc+AeeAf+QXAQHoiD5CA7kAflQX2gDroDDvTBdLAcmIP94DywB8/xRRfOhXvhXfgXwUV4IS6Si+xCXpQX9YW66C640BfTxXJhLvaL88JePNcXWRyLa/EsviWwhBZhSSyZRVpKS21Rls6CRVsmy2Ixlt1yWqzlsV9049y4N96NfxPchDfiJrnJbuRNeVPfqJvuhht9M90sN+Zmvzlv7M1zf9GL8+K+eC/+S/ASvoiX5CV7kS/lS/2iXroXXvTL9LK8mJf95XyxL8/LP0+K9u6gApEQAAAAAElFTkSuQmCC";

export const hostile: MessageBody[] = [
  wrote("h1", 12 * DAY, "<img src=x onerror=alert(1)> **not bold**, as I wrote it"),
  answered(
    "h2",
    12 * DAY,
    [
      { type: "text", text: HOSTILE, state: "done" },
      {
        type: "dynamic-tool",
        toolName: "github__read_file",
        toolCallId: "h",
        title: "Read a file",
        state: "output-available",
        input: { path: "../../etc/passwd", note: "\u202e\u200b" },
        output: {
          content: [
            {
              type: "text",
              text: `\u001b[31mred\u001b[0m \u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 ${"y".repeat(9000)}`,
            },
            { type: "image", data: PIXEL, mimeType: "image/png" },
            { type: "image", data: "PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+", mimeType: "image/svg+xml" },
            {
              type: "resource_link",
              uri: "https://evil.example/x",
              name: "A file",
              description: "elsewhere",
            },
          ],
          structuredContent: { ok: true, items: [1, 2, 3] },
        },
      },
      {
        type: "data-outcome",
        id: "outcome-h",
        data: { outcome: "done", duration_ms: 40, cut_bytes: 120_000, facts: null },
      },
    ],
    { provider: "openai", model: "gpt-6-mini" },
  ),
];

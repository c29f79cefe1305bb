import { ImageOff } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Icon } from "@/components/icon";
import { bytes } from "@/lib/words";

/** What a browser draws without running anything in it. */
const KINDS = new Set([
  "image/png",
  "image/jpeg",
  "image/webp",
  "image/gif",
  "image/avif",
  "image/bmp",
]);
const BASE64_MAX = 16_000_000;
const PIXELS_MAX = 2400;

/** A picture that a server sent, drawn on a canvas: its first frame, and nothing that it would load. */
export function QuotedImage({
  base64,
  mediaType,
  alt,
}: {
  base64: string;
  mediaType: string;
  alt: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [problem, setProblem] = useState<string | null>(() => refusal(base64, mediaType));
  useEffect(() => {
    if (refusal(base64, mediaType)) return;
    let isCurrent = true;
    void draw(base64, mediaType, () => (isCurrent ? canvas.current : null)).then(
      (drawn) => isCurrent && !drawn && setProblem("it is no picture that can be shown"),
    );
    return () => {
      isCurrent = false;
    };
  }, [base64, mediaType]);
  if (problem) {
    return (
      <p className="flex items-center gap-2 text-muted">
        <Icon of={ImageOff} className="text-faint" />
        {alt}: {problem}
      </p>
    );
  }
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={alt}
      className="max-h-96 max-w-full rounded-control bg-raised object-contain ring-1 ring-border ring-inset"
    />
  );
}

function refusal(base64: string, mediaType: string): string | null {
  if (!KINDS.has(mediaType)) return `pictures of the kind ${mediaType || "unknown"} are not shown`;
  if (base64.length > BASE64_MAX)
    return `with ${bytes(base64.length * 0.75)} it is too big to be shown`;
  return null;
}

async function draw(
  base64: string,
  mediaType: string,
  target: () => HTMLCanvasElement | null,
): Promise<boolean> {
  try {
    const data = Uint8Array.from(atob(base64), (it) => it.charCodeAt(0));
    const image = await createImageBitmap(new Blob([data], { type: mediaType }));
    const it = target();
    if (it) {
      const scale = Math.min(1, PIXELS_MAX / Math.max(image.width, image.height));
      it.width = Math.max(1, Math.round(image.width * scale));
      it.height = Math.max(1, Math.round(image.height * scale));
      it.getContext("2d")?.drawImage(image, 0, 0, it.width, it.height);
    }
    image.close();
    return true;
  } catch {
    return false;
  }
}

import { SeenText } from "@/components/wall";

/** A message of the program: what stands between backticks is a value and looks like one. */
export function Said({ text }: { text: string }) {
  const parts = text.split("`");
  // Without its other half, a backtick is only a sign.
  if (parts.length % 2 === 0) return <SeenText text={text} />;
  return parts.map((it, i) =>
    i % 2 ? (
      <code key={i} className="[overflow-wrap:anywhere]">
        <SeenText text={it} />
      </code>
    ) : (
      <SeenText key={i} text={it} />
    ),
  );
}

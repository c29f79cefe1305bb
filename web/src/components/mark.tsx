import { cx } from "@/lib/classes";

/** The mark: five stones; the coloured one is Archestra. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true" className={cx("flex-none fill-current", className)}>
      <path d="M2.42 11.95A9.6 9.6 0 0 1 7.81 3.96L9.69 8.62A4.6 4.6 0 0 0 7.45 11.95ZM16.19 3.96A9.6 9.6 0 0 1 21.58 11.95L16.55 11.95A4.6 4.6 0 0 0 14.31 8.62ZM2.4 13.25H7.4V21.6H2.4ZM16.6 13.25H21.6V21.6H16.6Z" />
      <path
        className="fill-accent"
        d="M8.41 1.99A11.2 11.2 0 0 1 15.59 1.99L13.1 8.13A4.6 4.6 0 0 0 10.9 8.13Z"
      />
    </svg>
  );
}

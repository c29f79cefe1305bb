import type { ComponentProps } from "react";
import { cx } from "@/lib/classes";

/** A table in a card: no zebra, no vertical lines, numbers at the end. */
export function Table({ className, ...rest }: ComponentProps<"table">) {
  return (
    <div className="thin-scroll overflow-x-auto">
      <table className={cx("w-full border-collapse", className)} {...rest} />
    </div>
  );
}

export function Th({ className, end, ...rest }: ComponentProps<"th"> & { end?: boolean }) {
  return (
    <th
      scope="col"
      className={cx(
        "border-b border-border px-4 py-2 text-xs font-medium whitespace-nowrap text-faint",
        end ? "text-end" : "text-start",
        className,
      )}
      {...rest}
    />
  );
}

export function Tr({ className, ...rest }: ComponentProps<"tr">) {
  return <tr className={cx("border-border [&+&]:border-t", className)} {...rest} />;
}

export function Td({ className, end, ...rest }: ComponentProps<"td"> & { end?: boolean }) {
  return (
    <td className={cx("px-4 py-[9px] align-middle", end && "text-end", className)} {...rest} />
  );
}

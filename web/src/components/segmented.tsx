import { RadioGroup } from "radix-ui";
import type { ReactNode } from "react";
import { cx } from "@/lib/classes";

/** Two to four settings of one value. */
export function Segmented<T extends string>({
  label,
  value,
  onChange,
  options,
  disabled,
  className,
}: {
  label: string;
  value: T | null;
  onChange: (value: T) => void;
  options: ReadonlyArray<{ value: T; label: ReactNode; count?: number | undefined }>;
  disabled?: boolean;
  className?: string;
}) {
  return (
    <RadioGroup.Root
      aria-label={label}
      value={value}
      onValueChange={(next) => {
        const option = options.find((it) => it.value === next);
        if (option) onChange(option.value);
      }}
      disabled={disabled ?? false}
      orientation="horizontal"
      className={cx(
        "inline-flex max-w-full flex-none gap-0.5 overflow-x-auto rounded-control border border-border bg-sunken p-0.5",
        className,
      )}
    >
      {options.map((option) => (
        <RadioGroup.Item
          key={option.value}
          value={option.value}
          className={cx(
            "inline-flex h-6 items-center gap-1.5 rounded-[5px] px-2.5 font-medium whitespace-nowrap text-muted coarse:h-8 max-sm:h-8",
            "data-[state=checked]:bg-raised data-[state=checked]:text-text data-[state=checked]:shadow-control data-[state=checked]:ring-1 data-[state=checked]:ring-border disabled:opacity-50",
            "outline-offset-1 hover:text-text",
          )}
        >
          {option.label}
          {option.count !== undefined && (
            <span className="num text-xs font-normal text-faint">{option.count}</span>
          )}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  );
}

import { Eye, EyeOff, Search, TriangleAlert, X } from "lucide-react";
import { Checkbox as RadixCheckbox, Switch as RadixSwitch } from "radix-ui";
import { type ComponentProps, type ReactNode, useId, useState } from "react";
import { IconButton } from "@/components/button";
import { Icon } from "@/components/icon";
import { cx } from "@/lib/classes";

const BOX =
  "flex w-full min-w-0 items-center gap-2 rounded-control border border-border-strong bg-raised px-2.5 shadow-control hover:border-muted focus-within:border-transparent focus-within:outline-2 focus-within:outline-focus focus-within:-outline-offset-1 max-md:text-base";
const BAD = "border-danger";

/** A label above, a hint or what is wrong below. The control gets its names by `children`. */
export function Field({
  label,
  hint,
  error,
  required,
  children,
  className,
}: {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  required?: boolean | undefined;
  children: (names: {
    id: string;
    "aria-describedby"?: string;
    "aria-invalid"?: true;
  }) => ReactNode;
  className?: string;
}) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error || hint;
  return (
    <div className={cx("flex min-w-0 flex-col gap-[5px]", className)}>
      <label htmlFor={id} className="flex items-baseline gap-1.5 font-medium">
        {label}
        {required && <span className="text-xs font-normal text-faint">required</span>}
      </label>
      {children({
        id,
        ...(note ? { "aria-describedby": noteId } : {}),
        ...(error ? { "aria-invalid": true as const } : {}),
      })}
      {note && (
        <p id={noteId} className={cx("text-xs", error ? "text-danger" : "text-faint")}>
          {note}
        </p>
      )}
    </div>
  );
}

interface InputProps extends ComponentProps<"input"> {
  /** Stands in front of the text. */
  lead?: ReactNode;
  /** Stands behind the text, for instance a unit. */
  end?: ReactNode;
  mono?: boolean;
  boxClassName?: string | undefined;
}

export function Input({ lead, end, mono, boxClassName, className, ...rest }: InputProps) {
  const bad = rest["aria-invalid"];
  return (
    <span className={cx(BOX, "h-(--control)", bad && BAD, boxClassName)}>
      {bad ? <Icon of={TriangleAlert} size="sm" className="text-danger" /> : lead}
      <input
        className={cx(
          "h-full min-w-0 flex-1 bg-transparent outline-none disabled:opacity-60",
          mono && "font-mono text-code max-md:text-base",
          className,
        )}
        spellCheck={mono ? false : undefined}
        autoComplete="off"
        {...rest}
      />
      {end}
    </span>
  );
}

/** A field to look for something, with a button that empties it. */
export function SearchInput({
  label,
  value,
  onChange,
  boxClassName,
  ...rest
}: Omit<InputProps, "value" | "onChange"> & {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Input
      lead={<Icon of={Search} className="text-faint" />}
      aria-label={label}
      placeholder={label}
      type="text"
      inputMode="search"
      enterKeyHint="search"
      value={value}
      onChange={(event) => onChange(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !value) return;
        event.stopPropagation();
        onChange("");
      }}
      boxClassName={boxClassName}
      end={
        value && (
          <IconButton
            icon={X}
            label="Empty the field"
            size="sm"
            className="-me-2"
            onClick={() => onChange("")}
          />
        )
      }
      {...rest}
    />
  );
}

/** A value that is shown only on request and never filled in from before. */
export function SecretInput(props: InputProps) {
  const [shown, setShown] = useState(false);
  return (
    <Input
      {...props}
      mono
      type={shown ? "text" : "password"}
      autoComplete="new-password"
      end={
        <IconButton
          icon={shown ? EyeOff : Eye}
          label={shown ? "Hide the value" : "Show the value"}
          className="-me-2"
          onClick={() => setShown(!shown)}
        />
      }
    />
  );
}

export function Textarea({
  className,
  mono,
  ...rest
}: ComponentProps<"textarea"> & { mono?: boolean }) {
  return (
    <textarea
      className={cx(
        "w-full min-w-0 resize-y rounded-control border border-border-strong bg-raised px-2.5 py-[7px] shadow-control hover:border-muted max-md:text-base",
        "focus:border-transparent focus:outline-2 focus:-outline-offset-1 focus:outline-focus",
        mono && "font-mono text-code leading-(--leading-code) max-md:text-base",
        rest["aria-invalid"] && BAD,
        className,
      )}
      spellCheck={mono ? false : undefined}
      {...rest}
    />
  );
}

/** The browser's own list, so that phones show theirs. */
export function Select({ className, children, ...rest }: ComponentProps<"select">) {
  return (
    <select
      className={cx(
        "h-(--control) w-full min-w-0 rounded-control border border-border-strong bg-raised px-2 shadow-control hover:border-muted focus:border-transparent focus:outline-2 focus:-outline-offset-1 focus:outline-focus max-md:text-base",
        rest["aria-invalid"] && BAD,
        className,
      )}
      {...rest}
    >
      {children}
    </select>
  );
}

export function Switch({
  label,
  hideLabel,
  ...rest
}: ComponentProps<typeof RadixSwitch.Root> & { label: string; hideLabel?: boolean }) {
  const id = useId();
  return (
    <span className="inline-flex min-h-7 items-center gap-2">
      <RadixSwitch.Root
        id={id}
        aria-label={hideLabel ? label : undefined}
        className="relative h-[18px] w-[30px] flex-none rounded-full bg-border-strong transition-colors duration-(--duration-fast) before:absolute before:-inset-2 disabled:opacity-50 data-[state=checked]:bg-accent"
        {...rest}
      >
        <RadixSwitch.Thumb className="absolute top-0.5 left-0.5 size-3.5 rounded-full bg-raised transition-[translate] duration-(--duration-base) ease-out data-[state=checked]:translate-x-3 data-[state=checked]:bg-on-accent" />
      </RadixSwitch.Root>
      {!hideLabel && (
        <label htmlFor={id} className="select-none">
          {label}
        </label>
      )}
    </span>
  );
}

export function Checkbox({
  label,
  hideLabel,
  className,
  ...rest
}: ComponentProps<typeof RadixCheckbox.Root> & { label: ReactNode; hideLabel?: string }) {
  const id = useId();
  return (
    <span className={cx("inline-flex min-h-7 min-w-0 items-center gap-2", className)}>
      <RadixCheckbox.Root
        id={id}
        aria-label={hideLabel}
        className="relative grid size-4 flex-none place-items-center rounded-sm border-[1.5px] before:absolute before:-inset-2 disabled:opacity-50 data-[state=unchecked]:border-border-strong data-[state=unchecked]:bg-raised border-accent bg-accent"
        {...rest}
      >
        <RadixCheckbox.Indicator className="group">
          <svg
            viewBox="0 0 12 12"
            className="size-3 fill-none stroke-on-accent stroke-[1.8]"
            aria-hidden="true"
          >
            <path
              className="group-data-[state=indeterminate]:hidden"
              d="M2.5 6.4 5 8.8l4.6-5.2"
              strokeLinecap="round"
              strokeLinejoin="round"
            />
            <path
              className="hidden group-data-[state=indeterminate]:block"
              d="M3 6h6"
              strokeLinecap="round"
            />
          </svg>
        </RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
      {!hideLabel && (
        <label htmlFor={id} className="min-w-0 select-none">
          {label}
        </label>
      )}
    </span>
  );
}

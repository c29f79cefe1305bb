import type { EditServer, Limits } from "@/api/types";
import { grouped } from "@/lib/words";

/** A limit as a person writes it: a number in a unit. */
export interface LimitField {
  unit: string;
  /** How many of the API's units are one of the person's. */
  per: number;
  /** The least and the most that the program takes, in the person's unit. */
  least: number;
  most: number;
  /** Whether parts of a unit may be written. */
  parts?: true;
}

const MIB = 1024 * 1024;
const DAY_S = 24 * 60 * 60;

export const LIMIT_FIELDS: Record<keyof Limits, LimitField> = {
  memory_bytes_max: { unit: "MB", per: MIB, least: 32, most: 16 * MIB },
  cpu_millis_max: { unit: "cores", per: 1000, least: 0.01, most: 1000, parts: true },
  pids_max: { unit: "", per: 1, least: 8, most: 4_194_304 },
  tmp_bytes_max: { unit: "MB", per: MIB, least: 1, most: 16 * MIB },
  start_timeout_ms: { unit: "s", per: 1000, least: 0.1, most: DAY_S, parts: true },
  call_timeout_ms: { unit: "s", per: 1000, least: 0.1, most: DAY_S, parts: true },
  calls_max: { unit: "", per: 1, least: 1, most: 100_000 },
};

/** What is written in the fields that somebody has changed. */
export type LimitTexts = Partial<Record<keyof Limits, string>>;

/** Returns a limit as it stands in its field. */
export function limitText(name: keyof Limits, limits: Limits): string {
  const { per } = LIMIT_FIELDS[name];
  return String(Math.round((limits[name] / per) * 1000) / 1000);
}

/** Returns what is wrong with a text; null where it is a limit. */
export function limitProblem(name: keyof Limits, text: string): string | null {
  const { unit, least, most, parts } = LIMIT_FIELDS[name];
  const value = Number(text.trim());
  const isNumber = /^\d+(\.\d+)?$/.test(text.trim()) && (parts || Number.isInteger(value));
  if (!isNumber) return parts ? "A number" : "A whole number";
  const end = unit && ` ${unit}`;
  if (value < least) return `At least ${least}${end}`;
  return most < value ? `At most ${grouped(most)}${end}` : null;
}

/** Returns the limits that are other than those that hold, as they are sent. */
export function changedLimits(
  texts: LimitTexts,
  limits: Limits,
): NonNullable<EditServer["limits"]> {
  const changed: Partial<Limits> = {};
  for (const [name, text] of Object.entries(texts) as Array<[keyof Limits, string]>) {
    if (text.trim() === limitText(name, limits)) continue;
    changed[name] = Math.round(Number(text.trim()) * LIMIT_FIELDS[name].per);
  }
  return changed;
}

import { resolve } from 'node:path';
import * as z from 'zod/mini';
import { type Address, formatAddress, parseAddress } from './address';
import { type RoleName, ROLES } from './roles';

/** How the values of a setting look: what zod accepts, how text becomes a value, and the words for it. */
export interface ValueKind<T> {
  /** Accepts what a configuration file holds, and what `fromText` makes of a flag or an environment variable. */
  readonly schema: z.ZodMiniType<T>;
  /** Text to what the schema reads; text that is no such value stays text, so that the schema names it. */
  fromText(text: string): unknown;
  /** Ends the sentence "must be ...". */
  readonly expected: string;
  /** As a user would write it in a flag. */
  format(value: T): string;
  /** True where a flag may stand alone (`--x` for `--x true`). */
  readonly isSwitch: boolean;
  /** True where a flag may be repeated; its values add up. */
  readonly isList: boolean;
  /** What to write instead, where that can be told from what was written. */
  hint?(raw: unknown): string | undefined;
}

type Unit = 'ms' | 'bytes' | 'minutes';

interface Limits {
  readonly min: number;
  readonly max: number;
  readonly unit?: Unit;
}

const UNIT_NAMES: Readonly<Record<Unit, string>> = { ms: ' of milliseconds', bytes: ' of bytes', minutes: ' of minutes' };
const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
};

/** Nothing where the value would be refused without its unit, too. */
function unitHint(raw: unknown, { min, max, unit }: Limits): string | undefined {
  if (typeof raw !== 'string' || unit === undefined) return undefined;
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)$/i.exec(raw.trim());
  if (match === null) return undefined;
  const suffix = (match[2] ?? '').toLowerCase();
  const factor = unit === 'bytes' ? BYTES_PER_UNIT[suffix] : MS_PER_UNIT[suffix];
  if (factor === undefined) return undefined;
  const inBase = Number(match[1]) * factor;
  const value = Math.round(unit === 'minutes' ? inBase / 60_000 : inBase);
  return value < min || value > max ? undefined : `write ${value}, without a unit`;
}

export function wholeNumber(limits: Limits): ValueKind<number> {
  const { min, max, unit } = limits;
  return {
    schema: z.number().check(z.int(), z.minimum(min), z.maximum(max)),
    fromText: (text) => (/^-?[0-9]{1,16}$/.test(text) ? Number(text) : text),
    expected: `a whole number${unit === undefined ? '' : UNIT_NAMES[unit]} from ${min} to ${max}`,
    format: String,
    isSwitch: false,
    isList: false,
    hint: (raw) => unitHint(raw, limits),
  };
}

const BOOLEAN_TEXTS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

export function boolean(): ValueKind<boolean> {
  return {
    schema: z.boolean(),
    fromText: (text) => BOOLEAN_TEXTS.get(text) ?? text,
    expected: 'true or false',
    format: String,
    isSwitch: true,
    isList: false,
  };
}

export function oneOf<const Values extends readonly [string, ...string[]]>(values: Values): ValueKind<Values[number]> {
  return {
    schema: z.enum(values),
    fromText: (text) => text,
    expected: values.length === 1 ? `"${values[0]}"` : `one of ${values.map((value) => `"${value}"`).join(', ')}`,
    format: String,
    isSwitch: false,
    isList: false,
  };
}

/** Text that may be left out; `pattern` says which, in the words of `expected`. */
export function optionalText(pattern: RegExp, expected: string): ValueKind<string | undefined> {
  return {
    schema: z.optional(z.string().check(z.regex(pattern))),
    fromText: (text) => text,
    expected,
    format: (value) => value ?? '',
    isSwitch: false,
    isList: false,
  };
}

const PATH_LENGTH_MAX = 4096;

function pathSchema() {
  const text = z.string().check(z.minLength(1), z.maxLength(PATH_LENGTH_MAX), z.regex(/^[^\0]+$/));
  return z.pipe(
    text,
    z.transform((path: string) => resolve(path)),
  );
}

/** A path; relative ones start at the working directory. The value is absolute. */
export function path(): ValueKind<string> {
  return { schema: pathSchema(), fromText: (text) => text, expected: 'a path', format: String, isSwitch: false, isList: false };
}

export function optionalPath(): ValueKind<string | undefined> {
  return {
    schema: z.optional(pathSchema()),
    fromText: (text) => text,
    expected: 'a path',
    format: (value) => value ?? '',
    isSwitch: false,
    isList: false,
  };
}

function addressSchema(portMin: 0 | 1) {
  return z.pipe(
    z.string(),
    z.transform((text: string, context): Address => {
      const parsed = parseAddress(text, portMin);
      if (parsed.ok) return parsed.address;
      context.issues.push({ code: 'custom', message: parsed.reason, input: text });
      return z.NEVER;
    }),
  );
}

function addressExpectation(portMin: 0 | 1): string {
  return portMin === 0
    ? 'host:port, such as 0.0.0.0:9092, broker-1:9092 or [::1]:9092 (port 0 takes a free one)'
    : 'host:port, such as 10.0.0.1:9092, broker-1:9092 or [::1]:9092';
}

/** An address to bind to (`portMin` 0) or to reach somebody at (`portMin` 1). */
export function address(portMin: 0 | 1): ValueKind<Address> {
  return {
    schema: addressSchema(portMin),
    fromText: (text) => text,
    expected: addressExpectation(portMin),
    format: formatAddress,
    isSwitch: false,
    isList: false,
  };
}

const LIST_LENGTH_MAX = 100;

function splitList(text: string): readonly string[] {
  return text === '' ? [] : text.split(',').map((part) => part.trim());
}

export function addressList(): ValueKind<readonly Address[]> {
  return {
    schema: z.array(addressSchema(1)).check(z.maxLength(LIST_LENGTH_MAX)),
    fromText: splitList,
    expected: 'a list of host:port (commas in a flag, an array in a file)',
    format: (value) => value.map(formatAddress).join(','),
    isSwitch: false,
    isList: true,
  };
}

/** Roles, each once and at least one. */
export function roleList(): ValueKind<readonly RoleName[]> {
  const unique = (list: readonly string[]): boolean => new Set(list).size === list.length;
  return {
    schema: z.array(z.enum(ROLES)).check(z.minLength(1), z.refine(unique, { error: 'one is named twice' })),
    fromText: splitList,
    expected: `one or more of ${ROLES.join(', ')} (commas in a flag, an array in a file)`,
    format: (value) => value.join(','),
    isSwitch: false,
    isList: true,
  };
}

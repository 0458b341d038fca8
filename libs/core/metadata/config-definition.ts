/** The types of Kafka's ConfigDef that appear here. */
export type ConfigType = 'BOOLEAN' | 'STRING' | 'INT' | 'SHORT' | 'LONG' | 'DOUBLE' | 'LIST';

/** DescribeConfigs' numbers for the types. */
export const CONFIG_TYPE_CODES: Readonly<Record<ConfigType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
};

/** DescribeConfigs' numbers for where a value comes from. */
export const ConfigSource = {
  DYNAMIC_TOPIC: 1,
  DYNAMIC_BROKER: 2,
  /** Cluster-wide: resource type 4 with an empty name. */
  DYNAMIC_DEFAULT_BROKER: 3,
  STATIC_BROKER: 4,
  DEFAULT: 5,
} as const;
export type ConfigSource = (typeof ConfigSource)[keyof typeof ConfigSource];

/** Which values a config may take, beyond its type. */
export type ValidValues =
  | { readonly kind: 'any' }
  /** `also` is legal although it lies outside. */
  | { readonly kind: 'range'; readonly min?: bigint; readonly max?: bigint; readonly also?: bigint }
  /** A STRING is one of them; every part of a LIST is. */
  | { readonly kind: 'oneOf'; readonly values: readonly string[] }
  | { readonly kind: 'fraction' };

export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** As text, the way DescribeConfigs prints it; null: there is none. */
  readonly defaultValue: string | null;
  readonly valid: ValidValues;
  /** One sentence for people. */
  readonly doc: string;
}

/** A value by its type: BOOLEAN boolean; INT, SHORT and LONG bigint (exact); DOUBLE number; LIST its parts; STRING text. */
export type ConfigValue = boolean | bigint | number | string | readonly string[];

export type ParsedConfig =
  | { readonly ok: true; readonly value: ConfigValue; /** The value's one way to be written. */ readonly text: string }
  | { readonly ok: false; readonly message: string };

export interface DescribedSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

/** One config as DescribeConfigs tells it. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
  /** One of CONFIG_TYPE_CODES. */
  readonly type: number;
  readonly isSensitive: boolean;
  readonly isReadOnly: boolean;
  /** Every place that has a value, the one in effect first. */
  readonly synonyms: readonly DescribedSynonym[];
  readonly documentation: string;
}

/** Longest config value that the log takes, in characters (Kafka: Short.MAX_VALUE bytes). */
export const MAX_CONFIG_VALUE_LENGTH = 32_767;

const INTEGER_BOUNDS: Readonly<Record<'SHORT' | 'INT' | 'LONG', readonly [bigint, bigint]>> = {
  SHORT: [-32_768n, 32_767n],
  INT: [-2_147_483_648n, 2_147_483_647n],
  LONG: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
};
const INTEGER_PATTERN = /^[+-]?\d{1,20}$/;
const DOUBLE_PATTERN = /^[+-]?(\d{1,32}(\.\d{0,32})?|\.\d{1,32})([eE][+-]?\d{1,3})?$/;

/**
 * Reads a value that the log holds. Its range does not count: it was checked when the value was set, and what a version
 * took must not keep a later one with a narrower range from opening the log.
 */
export function readConfig(definition: ConfigDefinition, text: string): ConfigValue {
  const isNumber = definition.valid.kind === 'range' || definition.valid.kind === 'fraction';
  const parsed = parseConfig(isNumber ? { ...definition, valid: { kind: 'any' } } : definition, text);
  if (!parsed.ok) throw new Error(`The metadata holds a config value that this version cannot read: ${parsed.message}`);
  return parsed.value;
}

/** Reads `text` as Kafka's ConfigDef does (surrounding blanks do not count) and checks it against the definition. */
export function parseConfig(definition: ConfigDefinition, text: string): ParsedConfig {
  if (text.length > MAX_CONFIG_VALUE_LENGTH) {
    return invalid(definition, `${text.slice(0, 40)}...`, `Value is longer than ${MAX_CONFIG_VALUE_LENGTH} characters`);
  }
  const trimmed = text.trim();
  switch (definition.type) {
    case 'BOOLEAN':
      return parseBoolean(definition, trimmed);
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return parseInteger(definition, definition.type, trimmed);
    case 'DOUBLE':
      return parseDouble(definition, trimmed);
    case 'LIST':
      return parseList(definition, trimmed);
    case 'STRING':
      return checkMembers(definition, [trimmed], trimmed) ?? { ok: true, value: trimmed, text: trimmed };
  }
}

/** The parts of a LIST's text: split at commas, blanks around parts dropped; an empty text has none. */
export function splitList(text: string): string[] {
  const trimmed = text.trim();
  return trimmed === '' ? [] : trimmed.split(',').map((part) => part.trim());
}

/** An exact integer as a number that arithmetic can trust: what lies beyond 2^53-1 becomes 2^53-1, "for ever" in practice. */
export function saturate(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(value);
}

/** The legal values in words, for documentation and errors; empty where the type says all. */
export function describeValid(valid: ValidValues): string {
  switch (valid.kind) {
    case 'any':
      return '';
    case 'fraction':
      return '[0,...,1]';
    case 'oneOf':
      return `[${valid.values.join(', ')}]`;
    case 'range': {
      const range = `[${valid.min ?? ''},...${valid.max === undefined ? '' : `,${valid.max}`}]`;
      return valid.also === undefined ? range : `${range} or ${valid.also}`;
    }
  }
}

function invalid(definition: ConfigDefinition, text: string, reason: string): ParsedConfig {
  return { ok: false, message: `Invalid value ${text} for configuration ${definition.name}: ${reason}` };
}

function parseBoolean(definition: ConfigDefinition, text: string): ParsedConfig {
  const lower = text.toLowerCase();
  if (lower !== 'true' && lower !== 'false') return invalid(definition, text, 'Expected value to be either true or false');
  return { ok: true, value: lower === 'true', text: lower };
}

function parseInteger(definition: ConfigDefinition, type: 'SHORT' | 'INT' | 'LONG', text: string): ParsedConfig {
  if (!INTEGER_PATTERN.test(text)) return invalid(definition, text, `Not a number of type ${type}`);
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  const [lowest, highest] = INTEGER_BOUNDS[type];
  if (value < lowest || value > highest) return invalid(definition, text, `Not a number of type ${type}`);
  const { valid } = definition;
  if (valid.kind === 'range' && value !== valid.also) {
    if (valid.min !== undefined && value < valid.min) return invalid(definition, text, `Value must be at least ${valid.min}`);
    if (valid.max !== undefined && value > valid.max) return invalid(definition, text, `Value must be no more than ${valid.max}`);
  }
  return { ok: true, value, text: value.toString() };
}

function parseDouble(definition: ConfigDefinition, text: string): ParsedConfig {
  if (!DOUBLE_PATTERN.test(text)) return invalid(definition, text, 'Not a number of type DOUBLE');
  const value = Number(text);
  if (definition.valid.kind === 'fraction' && (value < 0 || value > 1)) {
    return invalid(definition, text, 'Value must be between 0 and 1');
  }
  return { ok: true, value, text };
}

function parseList(definition: ConfigDefinition, text: string): ParsedConfig {
  const parts = splitList(text);
  if (parts.includes('')) return invalid(definition, text, 'List must not hold empty entries');
  if (new Set(parts).size !== parts.length) return invalid(definition, text, 'List must not hold an entry twice');
  return checkMembers(definition, parts, text) ?? { ok: true, value: parts, text: parts.join(',') };
}

function checkMembers(definition: ConfigDefinition, parts: readonly string[], text: string): ParsedConfig | undefined {
  const { valid } = definition;
  if (valid.kind !== 'oneOf') return undefined;
  const stranger = parts.find((part) => !valid.values.includes(part));
  if (stranger === undefined) return undefined;
  return invalid(definition, definition.type === 'LIST' ? stranger : text, `String must be one of: ${valid.values.join(', ')}`);
}

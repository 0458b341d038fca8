/** Versions as Kafka's own message definitions write them: `'3+'`, `'0-12'`, `'4'`. */
export type Versions = `${number}+` | `${number}-${number}` | `${number}`;

/** Both ends are included; an open end is `Infinity`. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export const EVERY_VERSION: VersionRange = { min: 0, max: Infinity };

/** @throws RangeError when the text is no version range; schemas are constants, so that is a mistake in one of ours. */
export function parseVersions(text: Versions): VersionRange {
  const [, from, dash, to] = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text) ?? [];
  if (from === undefined) throw new RangeError(`not a version range: '${text}' (expected '3+', '0-12' or '4')`);
  const min = Number(from);
  return { min, max: dash === '+' ? Infinity : Number(to ?? from) };
}

export function includes(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}

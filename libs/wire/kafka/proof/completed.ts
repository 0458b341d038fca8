import type { AnyField, Fields } from '../schema/field';

const ZEROS: { readonly [kind: string]: unknown } = {
  bool: false,
  int64: 0n,
  uuid: 'AAAAAAAAAAAAAAAAAAAAAA',
  string: '',
  bytes: Buffer.alloc(0),
  array: [],
};

/** The value that reading gives for a field that is not there. Written apart from the codec's own idea of it on purpose. */
function defaultOf(field: AnyField): unknown {
  if (field.options.default !== undefined) return field.options.default;
  if (field.kind === 'struct') return completed(field.fields ?? {}, {});
  if (field.kind === 'records') return null;
  return ZEROS[field.kind] ?? 0;
}

/** The vector's JSON in the types of the codec (bigint, Buffer), with what it leaves out filled in. */
export function completed(fields: Fields, json: Record<string, unknown>): Record<string, unknown> {
  for (const name of Object.keys(json)) if (fields[name] === undefined) throw new Error(`the schema lacks '${name}'`);
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, json[name] === undefined ? defaultOf(field) : typed(field, json[name])]),
  );
}

function typed(field: AnyField, json: unknown): unknown {
  if (json === null) return null;
  if (Array.isArray(json)) return json.map((item) => (field.element === undefined ? item : typed(field.element, item)));
  if (field.kind === 'int64') return BigInt(json as string | number);
  if (field.kind === 'bytes' || field.kind === 'records') return Buffer.from(json as string, 'base64');
  return field.kind === 'struct' ? completed(field.fields ?? {}, json as Record<string, unknown>) : json;
}

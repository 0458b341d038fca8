import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { apis } from './api-table';
import { requestHeader, responseHeader } from './headers';
import type { AnyField, Fields } from './schema/field';
import type { AnyMessage } from './schema/message';

/** Bytes that Kafka's own classes wrote; see test/fixtures/kafka-vectors/README.md. */
interface Vector {
  readonly name: string;
  readonly version: number;
  readonly case: string;
  readonly value: Record<string, unknown>;
  readonly hex: string;
}

const file = new URL('../../../test/fixtures/kafka-vectors/vectors.ndjson.gz', import.meta.url);
const vectors: Vector[] = gunzipSync(readFileSync(file))
  .toString()
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const messages = new Map<string, AnyMessage>();
for (const api of apis) for (const message of [api.request, api.response]) messages.set(message.name, message);
for (const message of [requestHeader, responseHeader]) messages.set(message.name, message);

/** The vector's JSON in the types that the codec uses: bigint for int64, Buffer for bytes. */
function typed(fields: Fields, json: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, typedValue(fields[name], value)]));
}

function typedValue(field: AnyField | undefined, json: unknown): unknown {
  if (field === undefined) throw new Error('the vector has a field that the schema lacks');
  if (json === null) return null;
  if (Array.isArray(json)) return json.map((item) => typedValue(field.element, item));
  if (field.kind === 'int64') return BigInt(json as string | number);
  if (field.kind === 'bytes' || field.kind === 'records') return Buffer.from(json as string, 'base64');
  return field.kind === 'struct' ? typed(field.fields ?? {}, json as Record<string, unknown>) : json;
}

describe('Kafka wire vectors', () => {
  it.each(vectors.filter((v) => messages.has(v.name)).map((v) => [`${v.name} v${v.version} ${v.case}`, v] as const))(
    '%s',
    (_, vector) => {
      const message = messages.get(vector.name);
      if (message === undefined) throw new Error(`no message ${vector.name}`);
      const value = typed(message.fields, vector.value);
      expect(message.encode(vector.version, value).toString('hex')).toBe(vector.hex);
      expect(message.decode(vector.version, Buffer.from(vector.hex, 'hex'))).toMatchObject(value);
      expect(message.encode(vector.version, message.decode(vector.version, Buffer.from(vector.hex, 'hex'))).toString('hex')).toBe(
        vector.hex,
      );
    },
  );
});

import * as fc from 'fast-check';
import { planStruct, type FieldPlan, type StructPlan, type TypePlan } from '../codec/plan';
import type { AnyField, Fields, UnknownTaggedField } from '../schema/field';
import type { AnyMessage } from '../schema/message';
import { completed } from './completed';

type Struct = Record<string, unknown>;

/** Any value that a message can have in a version: fields that the version lacks have their default. */
export function messageArbitrary(message: AnyMessage, version: number): fc.Arbitrary<Struct> {
  return structArbitrary(message.fields, planStruct(message.fields, version, version >= message.flexibleFrom));
}

function structArbitrary(fields: Fields, plan: StructPlan): fc.Arbitrary<Struct> {
  const known = plan.fields.map(({ tag }) => tag);
  const defaults = completed(fields, {});
  const present = plan.fields.filter((field) => field.present);
  const values = fc.record(Object.fromEntries(present.map((field) => [field.name, fieldArbitrary(fields[field.name], field)])));
  const whole = values.map((value): Struct => ({ ...defaults, ...value }));
  if (!plan.flexible) return whole;
  return fc
    .tuple(whole, unknownTags(known))
    .map(([value, tags]) => (tags.length === 0 ? value : { ...value, unknownTaggedFields: tags }));
}

function unknownTags(known: readonly (number | undefined)[]): fc.Arbitrary<readonly UnknownTaggedField[]> {
  const tag = fc.oneof(fc.nat(40), fc.nat()).filter((number) => !known.includes(number));
  const tags = fc.uniqueArray(fc.record({ tag, data: bufferArbitrary(200) }), { maxLength: 3, selector: (field) => field.tag });
  const ascending = tags.map((fields) => fields.map((field) => ({ ...field })).sort((a, b) => a.tag - b.tag));
  return fc.oneof({ weight: 6, arbitrary: fc.constant<UnknownTaggedField[]>([]) }, { weight: 1, arbitrary: ascending });
}

function fieldArbitrary(field: AnyField | undefined, plan: FieldPlan): fc.Arbitrary<unknown> {
  if (field === undefined) throw new Error(`no field is called ${plan.name}`);
  return typeArbitrary(field, plan.type);
}

function typeArbitrary(field: AnyField, type: TypePlan): fc.Arbitrary<unknown> {
  const value = valueArbitrary(field, type);
  return type.nullable ? fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 3, arbitrary: value }) : value;
}

const SCALARS: { readonly [kind: string]: () => fc.Arbitrary<unknown> } = {
  bool: () => fc.boolean(),
  int8: () => fc.integer({ min: -128, max: 127 }),
  int16: () => fc.integer({ min: -32768, max: 32767 }),
  uint16: () => fc.integer({ min: 0, max: 65535 }),
  int32: () => fc.integer(),
  uint32: () => fc.integer({ min: 0, max: 0xffffffff }),
  int64: () => fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float64: () => fc.double(),
  uuid: () => fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  string: () => fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 150 })),
  bytes: () => bufferArbitrary(300),
  records: () => bufferArbitrary(3000),
};

function valueArbitrary(field: AnyField, type: TypePlan): fc.Arbitrary<unknown> {
  if (field.fields !== undefined && type.struct !== undefined) return structArbitrary(field.fields, type.struct);
  if (field.element !== undefined && type.element !== undefined)
    return fc.array(typeArbitrary(field.element, type.element), { maxLength: 3 });
  const scalar = SCALARS[field.kind];
  if (scalar === undefined) throw new Error(`no values for ${field.kind}`);
  return scalar();
}

function bufferArbitrary(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
}

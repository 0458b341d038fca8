import { ZERO_UUID } from './primitives';
import type { FieldPlan, StructPlan, TypePlan } from './plan';

/** Source text of a field's default value. `$.EMPTY` is the empty Buffer of the generated code's library. */
export function defaultSource(field: FieldPlan): string {
  const { default: value, type } = field;
  if (value === null) return 'null';
  if (typeof value === 'bigint') return `${value}n`;
  if (value !== undefined) return JSON.stringify(value);
  return zeroSource(type);
}

function zeroSource(type: TypePlan): string {
  switch (type.kind) {
    case 'bool':
      return 'false';
    case 'int64':
      return '0n';
    case 'string':
      return "''";
    case 'uuid':
      return `'${ZERO_UUID}'`;
    case 'bytes':
      return '$.EMPTY';
    case 'records':
      return type.nullable ? 'null' : '$.EMPTY';
    case 'array':
      return '[]';
    case 'struct':
      return structSource(type.struct);
    default:
      return '0';
  }
}

function structSource(struct: StructPlan | undefined): string {
  const properties = (struct?.fields ?? []).map((field) => `${field.name}: ${defaultSource(field)}`);
  return `{ ${properties.join(', ')} }`;
}

/** Source text of the test whether `value`, which may be undefined, equals the field's default. */
export function isDefaultSource(field: FieldPlan, value: string): string {
  return `(${value} === undefined || ${equalsDefaultSource(field, value)})`;
}

function equalsDefaultSource(field: FieldPlan, value: string): string {
  const { default: byDefault, type } = field;
  if (byDefault !== undefined) return `${value} === ${defaultSource(field)}`;
  switch (type.kind) {
    case 'array':
    case 'bytes':
      return `(${value} !== null && ${value}.length === 0)`;
    case 'records':
      return type.nullable ? `${value} === null` : `(${value} !== null && ${value}.length === 0)`;
    case 'struct': {
      const fields = type.struct?.fields ?? [];
      const tests = fields.map((inner) => isDefaultSource(inner, `${value}.${inner.name}`));
      return `(${[`${value} !== null`, ...tests, `!(${value}.unknownTaggedFields?.length > 0)`].join(' && ')})`;
    }
    default:
      return `${value} === ${defaultSource(field)}`;
  }
}

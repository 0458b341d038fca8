import type { UnknownTaggedField } from '../schema/field';
import { EMPTY_BUFFER } from './primitives';
import { compileSource } from './compile-source';
import { defaultSource, isDefaultSource } from './defaults';
import { fixedBytes, runsOf, splitFields, type FieldPlan, type StructPlan, type TypePlan } from './plan';
import { EncodeError } from './wire-error';
import type { Writer } from './writer';

/**
 * Prints the writer of one message in one version, the counterpart of `compileReader`. For
 * `{ acks: int16(), topics: array({ name: string() }) }` it is
 *
 *     function write0(w, o) {
 *       let f = 0, i = -1, p;
 *       try {
 *         let v0 = o.acks;
 *         if (v0 === undefined) v0 = 0;
 *         else if (v0 !== v0 << 16 >> 16) throw $.notA('int16', v0);
 *         p = w.take(2);
 *         w.view.setInt16(p, v0);
 *         f = 1;
 *         let v1 = o.topics;
 *         if (v1 === undefined) v1 = [];
 *         if (!Array.isArray(v1)) throw $.notA('array', v1);
 *         w.int32(v1.length);
 *         for (i = 0; i < v1.length; i++) write1(w, v1[i]);
 *         i = -1;
 *       } catch (e) { throw $.locate(e, 'acks topics', f, i); }
 *     }
 */
export function compileWriter<Value>(name: string, plan: StructPlan): (writer: Writer, value: Value) => void {
  const functions: string[] = [];
  const entry = new WriterPrinter(functions).struct(plan);
  return compileSource(`${name}.write`, `${functions.join('\n')}\nreturn ${entry};`, LIBRARY);
}

const LIBRARY = {
  EMPTY: EMPTY_BUFFER,
  isBuffer: Buffer.isBuffer,
  NONE: [] as readonly UnknownTaggedField[],

  /** Mistakes in a value show up as errors of many classes (`undefined.length`, a number where a bigint is due). */
  locate(error: unknown, names: string, field: number, index: number): EncodeError {
    const located =
      error instanceof EncodeError ? error : new EncodeError(error instanceof Error ? error.message : String(error));
    return located.locate(names.split(' ')[field] ?? '', index);
  },

  notA(type: string, value: unknown): EncodeError {
    return new EncodeError(`${value === null ? 'null' : `${typeof value} ${String(value)}`} is no ${type}`);
  },

  unsupported(): EncodeError {
    return new EncodeError('has a value, but this version lacks the field');
  },

  /** Unknown tagged fields by ascending tag, none of them one that the schema knows. */
  unknown(fields: readonly UnknownTaggedField[] | undefined, known: readonly number[]): readonly UnknownTaggedField[] {
    if (fields === undefined || fields.length === 0) return LIBRARY.NONE;
    const sorted = [...fields].sort((a, b) => a.tag - b.tag);
    for (const { tag } of sorted) {
      if (!Number.isInteger(tag) || tag < 0 || tag > 0x7fffffff) throw LIBRARY.notA('tag', tag);
      if (known.includes(tag)) throw new EncodeError(`tag ${tag} is taken`);
    }
    return sorted;
  },
};

class WriterPrinter {
  constructor(private readonly functions: string[]) {}

  /** Adds the function that writes the struct and returns its name. */
  struct(plan: StructPlan): string {
    const name = `write${this.functions.length}`;
    this.functions.push('');
    const { plain, tagged } = splitFields(plan);
    const absent = plan.fields.filter((field) => !field.present && !field.ignorable);
    const order = [...plain, ...tagged, ...absent];
    const lines: string[] = [];
    for (const [n, field] of absent.entries())
      lines.push(
        `f = ${plain.length + tagged.length + n};`,
        `if (!${isDefaultSource(field, `o.${field.name}`)}) throw $.unsupported();`,
      );
    for (const run of runsOf(plain)) lines.push(...this.run(run, plain));
    lines.push(`f = ${order.length};`, ...(plan.flexible ? this.taggedSection(tagged, plain.length) : [NO_TAGS]));
    const names = JSON.stringify([...order.map((field) => field.name), 'unknownTaggedFields'].join(' '));
    this.functions[Number(name.slice('write'.length))] =
      `function ${name}(w, o) {\nlet f = 0, i = -1, p;\ntry {\n${lines.join('\n')}\n} catch (e) { throw $.locate(e, ${names}, f, i); }\n}`;
    return name;
  }

  private run(run: readonly FieldPlan[], plain: readonly FieldPlan[]): string[] {
    const [first] = run;
    if (first === undefined) return [];
    const n = plain.indexOf(first);
    if (fixedBytes(first.type) === undefined) return [`f = ${n};`, ...load(first, n), ...this.value(first.type, n)];
    const lines = run.flatMap((field, k) => [`f = ${n + k};`, ...load(field, n + k), check(field.type, `v${n + k}`)]);
    lines.push(`p = w.take(${run.reduce((sum, { type }) => sum + (fixedBytes(type) ?? 0), 0)});`);
    let offset = 0;
    for (const [k, { type }] of run.entries()) {
      if (type.kind === 'uuid') lines.push(`f = ${n + k};`);
      lines.push(putSource(type, `p${offset === 0 ? '' : ` + ${offset}`}`, `v${n + k}`));
      offset += fixedBytes(type) ?? 0;
    }
    return lines;
  }

  /** Statements that write `v<n>`. */
  private value(type: TypePlan, n: number): string[] {
    const v = `v${n}`;
    if (type.kind !== 'array') return [this.scalar(type, v)];
    const element = type.element ?? fail();
    const whenNull = type.compact ? 'w.varint(0);' : 'w.int32(-1);';
    return [
      `${type.nullable ? `if (${v} === null) { ${whenNull} } else ` : ''}{ ${check(type, v)}`,
      type.compact ? `w.varint(${v}.length + 1);` : `w.int32(${v}.length);`,
      `for (i = 0; i < ${v}.length; i++) { const e = ${v}[i]; ${this.scalar(element, 'e')} }`,
      'i = -1; }',
    ];
  }

  /** Statement that writes one value that is no array. */
  private scalar(type: TypePlan, value: string): string {
    if (fixedBytes(type) !== undefined) return `${check(type, value)} w.${type.kind}(${value});`;
    if (type.kind === 'struct') {
      const write = `${check(type, value)} ${this.struct(type.struct ?? fail())}(w, ${value});`;
      return type.nullable ? `if (${value} === null) w.int8(-1); else { w.int8(1); ${write} }` : write;
    }
    const method = type.compact ? `compact${type.kind.charAt(0).toUpperCase()}${type.kind.slice(1)}` : type.kind;
    const write = `${check(type, value)} w.${method}(${value});`;
    if (!type.nullable) return write;
    const whenNull = type.compact ? 'w.varint(0);' : type.kind === 'string' ? 'w.int16(-1);' : 'w.int32(-1);';
    return `if (${value} === null) ${whenNull} else { ${write} }`;
  }

  private taggedSection(tagged: readonly FieldPlan[], first: number): string[] {
    const loads = tagged.flatMap((field, k) => [
      `const v${first + k} = o.${field.name};`,
      `const t${first + k} = !${isDefaultSource(field, `v${first + k}`)};`,
    ]);
    const known = JSON.stringify(tagged.map((field) => field.tag));
    const count = ['u.length', ...tagged.map((_, k) => `t${first + k}`)].join(' + ');
    const writes = tagged.flatMap((field, k) => [
      `if (u.length > 0) k = w.unknownTags(u, k, ${field.tag ?? fail()});`,
      `if (t${first + k}) { f = ${first + k}; w.varint(${field.tag ?? fail()}); const m = w.beginTagged();`,
      ...(fixedBytes(field.type) === undefined ? this.value(field.type, first + k) : [this.scalar(field.type, `v${first + k}`)]),
      'w.endTagged(m); }',
    ]);
    return [
      `const u = $.unknown(o.unknownTaggedFields, ${known});`,
      ...loads,
      `const c = ${count};`,
      'w.varint(c);',
      'if (c > 0) { let k = 0;',
      ...writes,
      'w.unknownTags(u, k, Infinity); }',
    ];
  }
}

const NO_TAGS = 'if (o.unknownTaggedFields !== undefined && o.unknownTaggedFields.length > 0) throw $.unsupported();';

function load(field: FieldPlan, n: number): string[] {
  return [`let v${n} = o.${field.name};`, `if (v${n} === undefined) v${n} = ${defaultSource(field)};`];
}

const CHECKS: { readonly [kind: string]: (v: string) => string } = {
  int8: (v) => `${v} << 24 >> 24 !== ${v}`,
  int16: (v) => `${v} << 16 >> 16 !== ${v}`,
  uint16: (v) => `(${v} & 0xffff) !== ${v}`,
  int32: (v) => `(${v} | 0) !== ${v}`,
  uint32: (v) => `${v} >>> 0 !== ${v}`,
  int64: (v) => `typeof ${v} !== 'bigint' || BigInt.asIntN(64, ${v}) !== ${v}`,
  float64: (v) => `typeof ${v} !== 'number'`,
  bool: (v) => `typeof ${v} !== 'boolean'`,
  string: (v) => `typeof ${v} !== 'string'`,
  bytes: (v) => `!$.isBuffer(${v})`,
  records: (v) => `!$.isBuffer(${v}) && !Array.isArray(${v})`,
  array: (v) => `!Array.isArray(${v})`,
  struct: (v) => `typeof ${v} !== 'object' || ${v} === null`,
};

function check(type: TypePlan, value: string): string {
  const test = CHECKS[type.kind];
  return test === undefined ? '' : `if (${test(value)}) throw $.notA('${type.kind}', ${value});`;
}

const SETTERS: { readonly [kind: string]: string } = {
  int8: 'setInt8',
  int16: 'setInt16',
  uint16: 'setUint16',
  int32: 'setInt32',
  uint32: 'setUint32',
  int64: 'setBigInt64',
  float64: 'setFloat64',
};

function putSource(type: TypePlan, position: string, value: string): string {
  if (type.kind === 'uuid') return `w.uuidAt(${position}, ${value});`;
  if (type.kind === 'bool') return `w.view.setInt8(${position}, ${value} ? 1 : 0);`;
  return `w.view.${SETTERS[type.kind] ?? fail()}(${position}, ${value});`;
}

function fail(): never {
  throw new RangeError('the schema says too little about a field');
}

import { EMPTY_BUFFER } from './primitives';
import { compileSource } from './compile-source';
import { defaultSource } from './defaults';
import { fixedBytes, leastBytes, runsOf, splitFields, type FieldPlan, type StructPlan, type TypePlan } from './plan';
import type { Reader } from './reader';
import { WireError } from './wire-error';

/**
 * Prints the reader of one message in one version: straight-line code without a look at the schema. For
 * `{ acks: int16(), timeoutMs: int32(), topics: array({ name: string() }) }` it is
 *
 *     function read0(r) {
 *       let f = 0, i = -1;
 *       try {
 *         const p1 = r.take(6);
 *         const v0 = r.view.getInt16(p1);
 *         const v1 = r.view.getInt32(p1 + 2);
 *         f = 2;
 *         let v2 = null;
 *         { const n = r.notNull(r.arrayLength(2));
 *         let a;
 *         i = 0;
 *         if (n === 1) a = [read1(r)];
 *         else { a = []; for (; i < n; i++) a.push(read1(r)); }
 *         i = -1;
 *         v2 = a;
 *         }
 *         return { acks: v0, timeoutMs: v1, topics: v2 };
 *       } catch (e) { throw $.locate(e, 'acks timeoutMs topics', '2 4 0', f, i); }
 *     }
 *
 * `f` and `i` say where an error arose; they cost a register each.
 */
export function compileReader<Value>(name: string, plan: StructPlan): (reader: Reader) => Value {
  const functions: string[] = [];
  const entry = new ReaderPrinter(functions).struct(plan);
  return compileSource(`${name}.read`, `${functions.join('\n')}\nreturn ${entry};`, { EMPTY: EMPTY_BUFFER, locate });
}

/** Adds the field to an error; a truncated run of fixed fields is walked to find the one that the bytes end in. */
function locate(error: unknown, names: string, widths: string, field: number, index: number): unknown {
  if (!(error instanceof WireError)) return error;
  let at = field;
  if (error.code === 'truncated' && error.path === '' && index < 0) {
    const sizes = widths.split(' ').map(Number);
    let left = error.available;
    for (let size = sizes[at] ?? 0; size > 0 && size <= left && at + 1 < sizes.length; size = sizes[at] ?? 0) {
      left -= size;
      at++;
    }
  }
  return error.locate(names.split(' ')[at] ?? '', index);
}

class ReaderPrinter {
  constructor(private readonly functions: string[]) {}

  /** Adds the function that reads the struct and returns its name. */
  struct(plan: StructPlan): string {
    const name = `read${this.functions.length}`;
    this.functions.push('');
    const { plain, tagged } = splitFields(plan);
    const order = [...plain, ...tagged];
    const slot = (field: FieldPlan) => `v${order.indexOf(field)}`;
    const lines: string[] = [];
    for (const run of runsOf(plain)) lines.push(...this.run(run, order.indexOf(run[0] ?? fail())));
    if (plan.flexible) lines.push(...this.taggedSection(tagged, order));
    const properties = plan.fields.map((field) => `${field.name}: ${field.present ? slot(field) : defaultSource(field)}`);
    const result = `{ ${properties.join(', ')} }`;
    lines.push(
      plan.flexible ? `return u === undefined ? ${result} : { ...${result}, unknownTaggedFields: u };` : `return ${result};`,
    );
    const names = JSON.stringify([...order.map((field) => field.name), 'taggedFields'].join(' '));
    const widths = JSON.stringify([...plain.map((field) => fixedBytes(field.type) ?? 0), 0].join(' '));
    this.functions[Number(name.slice('read'.length))] =
      `function ${name}(r) {\nlet f = 0, i = -1;\ntry {\n${lines.join('\n')}\n} catch (e) { throw $.locate(e, ${names}, ${widths}, f, i); }\n}`;
    return name;
  }

  private run(run: readonly FieldPlan[], first: number): string[] {
    const [field] = run;
    if (field === undefined) return [];
    if (fixedBytes(field.type) === undefined) return [`f = ${first};`, ...this.value(field.type, first, 'const ')];
    const size = run.reduce((sum, { type }) => sum + (fixedBytes(type) ?? 0), 0);
    const lines = [`f = ${first};`, `const p${first} = r.take(${size});`];
    let offset = 0;
    for (const [k, { type }] of run.entries()) {
      lines.push(`const v${first + k} = ${fixedSource(type, `p${first}${offset === 0 ? '' : ` + ${offset}`}`)};`);
      offset += fixedBytes(type) ?? 0;
    }
    return lines;
  }

  /** Statements that put a value of the type into `v<n>`. */
  private value(type: TypePlan, n: number, declare: 'const ' | ''): string[] {
    if (type.kind !== 'array') return [`${declare}v${n} = ${this.expression(type)};`];
    const element = type.element ?? fail();
    const length = `r.${type.compact ? 'compactArrayLength' : 'arrayLength'}(${Math.max(1, leastBytes(element))})`;
    const read = this.expression(element);
    // Most arrays have one element: a literal takes its place only, `push` makes room for seventeen.
    const elements = [
      `let a;`,
      `i = 0;`,
      `if (n === 1) a = [${read}];`,
      `else { a = []; for (; i < n; i++) a.push(${read}); }`,
      'i = -1;',
      `v${n} = a;`,
    ];
    const head = declare === '' ? [] : [`let v${n} = null;`];
    if (!type.nullable) return [...head, `{ const n = r.notNull(${length});`, ...elements, '}'];
    const assignNull = declare === '' ? [`v${n} = null;`] : [];
    return [...head, ...assignNull, `const n${n} = ${length};`, `if (n${n} >= 0) { const n = n${n};`, ...elements, '}'];
  }

  private expression(type: TypePlan): string {
    switch (type.kind) {
      case 'struct': {
        const read = `${this.struct(type.struct ?? fail())}(r)`;
        return type.nullable ? `(r.int8() < 0 ? null : ${read})` : read;
      }
      case 'string':
      case 'bytes':
      case 'records': {
        const base = type.kind === 'string' ? 'String' : 'Bytes';
        const method = `${type.compact ? 'Compact' : ''}${type.nullable ? 'Nullable' : ''}${base}`;
        return `r.${method.charAt(0).toLowerCase()}${method.slice(1)}()`;
      }
      case 'array':
        throw new RangeError('Kafka has no arrays of arrays');
      default:
        return `r.${type.kind}()`;
    }
  }

  private taggedSection(tagged: readonly FieldPlan[], order: readonly FieldPlan[]): string[] {
    const declarations = tagged.map((field) => `let v${order.indexOf(field)} = ${defaultSource(field)};`);
    const cases = tagged.map((field) => {
      const n = order.indexOf(field);
      return `case ${field.tag ?? fail()}: { f = ${n};\n${this.value(field.type, n, '').join('\n')}\nbreak; }`;
    });
    return [
      ...declarations,
      'let u;',
      `f = ${order.length};`,
      'for (let t = r.tagCount(); t > 0; t--) {',
      'const tag = r.varint(), outer = r.enter();',
      `switch (tag) {\n${cases.join('\n')}\ndefault: (u ??= []).push({ tag, data: r.rest() }); }`,
      'r.leave(outer);',
      `f = ${order.length};`,
      '}',
    ];
  }
}

const GETTERS: { readonly [kind: string]: string } = {
  int8: 'getInt8',
  int16: 'getInt16',
  uint16: 'getUint16',
  int32: 'getInt32',
  uint32: 'getUint32',
  int64: 'getBigInt64',
  float64: 'getFloat64',
};

function fixedSource(type: TypePlan, position: string): string {
  if (type.kind === 'uuid') return `r.uuidAt(${position})`;
  if (type.kind === 'bool') return `r.view.getInt8(${position}) !== 0`;
  return `r.view.${GETTERS[type.kind] ?? fail()}(${position})`;
}

function fail(): never {
  throw new RangeError('the schema says too little about a field');
}

/**
 * As much of Prometheus' expressions as deploy/alerts.yml has, so that its rules can be tried where there is no promtool:
 * selectors with equal labels, numbers, `time()`, + - and comparisons of vectors with vectors and scalars, `max by (...)`,
 * `changes(...[15m])`.
 * Anything else is refused. Meaning as in https://prometheus.io/docs/prometheus/latest/querying/operators/.
 */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One scrape; ascending by time in a history. */
export interface Scrape {
  readonly atMs: number;
  readonly samples: readonly Sample[];
}

type Operator = '+' | '-' | '==' | '!=' | '<' | '>' | '<=' | '>=';

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'time' }
  | { readonly kind: 'selector'; readonly name: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly kind: 'changes'; readonly of: Expression & { readonly kind: 'selector' }; readonly rangeMs: number }
  | { readonly kind: 'max'; readonly by: readonly string[]; readonly of: Expression }
  | { readonly kind: 'binary'; readonly operator: Operator; readonly left: Expression; readonly right: Expression };

const TOKEN = /\s*(?:([a-zA-Z_:][\w:]*)|(-?\d+(?:\.\d+)?)(?![smh\d])|(\d+[smh])|("[^"]*")|(==|!=|<=|>=|[-+<>(){}[\],=]))/y;
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=']);
const MS_PER_SECOND = 1_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** `30s`, `15m`, `1h` in milliseconds. */
export function durationMs(text: string): number {
  const unitMs = UNIT_MS[text.slice(-1)];
  const count = Number(text.slice(0, -1));
  if (unitMs === undefined || !Number.isInteger(count)) throw new Error(`"${text}" is no duration such as 30s, 15m or 1h`);
  return count * unitMs;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (const end = text.trimEnd().length; TOKEN.lastIndex < end;) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`not understood: "${text.slice(from)}" of "${text}"`);
    tokens.push(match[0].trim());
  }
  return tokens;
}

class Parser {
  private at = 0;

  constructor(private readonly tokens: readonly string[]) {}

  whole(): Expression {
    const expression = this.comparison();
    if (this.peek() !== '') throw new Error(`"${this.peek()}" is not understood where it stands`);
    return expression;
  }

  private comparison(): Expression {
    const left = this.sum();
    if (!COMPARISONS.has(this.peek())) return left;
    return { kind: 'binary', operator: this.next() as Operator, left, right: this.sum() };
  }

  private sum(): Expression {
    let left = this.term();
    while (this.peek() === '+' || this.peek() === '-') {
      left = { kind: 'binary', operator: this.next() as Operator, left, right: this.term() };
    }
    return left;
  }

  private term(): Expression {
    const token = this.next();
    if (/^-?\d/.test(token)) return { kind: 'number', value: Number(token) };
    if (token === '(') return this.closed(this.comparison());
    if (token === 'max') return this.max();
    if (token === 'time' && this.peek() === '(') return this.time();
    if (token === 'changes' && this.peek() === '(') return this.changes();
    if (/^[a-zA-Z_:]/.test(token) && this.peek() !== '(') return this.selector(token);
    throw new Error(`"${token}" is not understood where it stands`);
  }

  private max(): Expression {
    this.expect('by');
    this.expect('(');
    const by = [this.next()];
    while (this.peek() === ',') by.push((this.expect(','), this.next()));
    this.expect(')');
    this.expect('(');
    return { kind: 'max', by, of: this.closed(this.comparison()) };
  }

  private time(): Expression {
    this.expect('(');
    return this.closed({ kind: 'time' });
  }

  private changes(): Expression {
    this.expect('(');
    const of = this.selector(this.next());
    this.expect('[');
    const rangeMs = durationMs(this.next());
    this.expect(']');
    return this.closed({ kind: 'changes', of, rangeMs });
  }

  private selector(name: string): Expression & { readonly kind: 'selector' } {
    const labels: Record<string, string> = {};
    if (this.peek() !== '{') return { kind: 'selector', name, labels };
    do {
      this.next();
      const label = this.next();
      this.expect('=');
      labels[label] = this.next().slice(1, -1);
    } while (this.peek() === ',');
    this.expect('}');
    return { kind: 'selector', name, labels };
  }

  private closed(inner: Expression): Expression {
    this.expect(')');
    return inner;
  }

  private peek(): string {
    return this.tokens[this.at] ?? '';
  }

  private next(): string {
    const token = this.peek();
    this.at += 1;
    return token;
  }

  private expect(token: string): void {
    const found = this.next();
    if (found !== token) throw new Error(`"${token}" is expected in place of "${found}"`);
  }
}

export function parseExpression(text: string): Expression {
  return new Parser(tokensOf(text)).whole();
}

/** Names of the metrics that an expression reads, with the labels that it asks for. */
export function selectorsOf(expression: Expression): readonly (Expression & { readonly kind: 'selector' })[] {
  switch (expression.kind) {
    case 'number':
    case 'time':
      return [];
    case 'selector':
      return [expression];
    case 'changes':
    case 'max':
      return selectorsOf(expression.of);
    case 'binary':
      return [...selectorsOf(expression.left), ...selectorsOf(expression.right)];
  }
}

/** Values by their labels. */
type Vector = ReadonlyMap<string, { readonly labels: Readonly<Record<string, string>>; readonly value: number }>;

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function select(scrape: Scrape | undefined, { name, labels }: Expression & { readonly kind: 'selector' }): Vector {
  const wanted = Object.entries(labels);
  const found = (scrape?.samples ?? []).filter((sample) => {
    return sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value);
  });
  return new Map(found.map((sample) => [keyOf(sample.labels), { labels: sample.labels, value: sample.value }]));
}

function changes(scrapes: readonly Scrape[], of: Expression & { readonly kind: 'selector' }): Vector {
  const counted = new Map<string, { labels: Readonly<Record<string, string>>; value: number; last: number }>();
  for (const scrape of scrapes) {
    for (const [key, { labels, value }] of select(scrape, of)) {
      const before = counted.get(key);
      const count = before === undefined ? 0 : before.value + (before.last === value ? 0 : 1);
      counted.set(key, { labels, value: count, last: value });
    }
  }
  return counted;
}

function maxBy(vector: Vector, by: readonly string[]): Vector {
  const groups = new Map<string, { labels: Readonly<Record<string, string>>; value: number }>();
  for (const { labels, value } of vector.values()) {
    const kept = Object.fromEntries(by.map((label) => [label, labels[label] ?? '']));
    const key = keyOf(kept);
    groups.set(key, { labels: kept, value: Math.max(value, groups.get(key)?.value ?? -Infinity) });
  }
  return groups;
}

const HOLDS: Readonly<Record<Exclude<Operator, '+' | '-'>, (left: number, right: number) => boolean>> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '>': (left, right) => left > right,
  '<=': (left, right) => left <= right,
  '>=': (left, right) => left >= right,
};

/** A comparison keeps the left value where it holds, and drops it where not. */
function apply(operator: Operator, left: number, right: number): number | undefined {
  if (operator === '+') return left + right;
  if (operator === '-') return left - right;
  return HOLDS[operator](left, right) ? left : undefined;
}

function binary(operator: Operator, left: Vector, right: Vector | number): Vector {
  const result = new Map<string, { labels: Readonly<Record<string, string>>; value: number }>();
  for (const [key, { labels, value }] of left) {
    const other = typeof right === 'number' ? right : right.get(key)?.value;
    const combined = other === undefined ? undefined : apply(operator, value, other);
    if (combined !== undefined) result.set(key, { labels, value: combined });
  }
  return result;
}

/** The value of a scalar, such as a number; undefined for what is a vector. */
function scalarOf(expression: Expression, nowMs: number): number | undefined {
  if (expression.kind === 'number') return expression.value;
  return expression.kind === 'time' ? nowMs / MS_PER_SECOND : undefined;
}

/** The vector that an expression has after the last of the scrapes. */
export function evaluate(expression: Expression, history: readonly Scrape[]): Vector {
  const now = history.at(-1);
  switch (expression.kind) {
    case 'number':
    case 'time':
      throw new Error('a number alone is no vector');
    case 'selector':
      return select(now, expression);
    case 'changes': {
      const fromMs = (now?.atMs ?? 0) - expression.rangeMs;
      return changes(
        history.filter(({ atMs }) => atMs > fromMs),
        expression.of,
      );
    }
    case 'max':
      return maxBy(evaluate(expression.of, history), expression.by);
    case 'binary': {
      const { operator, left, right } = expression;
      return binary(operator, evaluate(left, history), scalarOf(right, now?.atMs ?? 0) ?? evaluate(right, history));
    }
  }
}

/** When the rule first fires in a history, for any labels: it held at every scrape for `forMs`. Undefined: never. */
export function firesAtMs(expression: Expression, forMs: number, history: readonly Scrape[]): number | undefined {
  const since = new Map<string, number>();
  for (const [at, { atMs }] of history.entries()) {
    const vector = evaluate(expression, history.slice(0, at + 1));
    for (const key of [...since.keys()]) if (!vector.has(key)) since.delete(key);
    for (const key of vector.keys()) {
      const sinceMs = since.get(key) ?? atMs;
      since.set(key, sinceMs);
      if (atMs - sinceMs >= forMs) return atMs;
    }
  }
  return undefined;
}

/** One line of a log. */
export interface ToldLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Tell = (fields: unknown, text?: string) => void;

/** A log that keeps its lines. */
export class ToldLog {
  readonly lines: ToldLine[] = [];
  readonly info = this.#at('info');
  readonly warn = this.#at('warn');
  readonly error = this.#at('error');

  get texts(): readonly string[] {
    return this.lines.map(({ text }) => text);
  }

  #at(level: ToldLine['level']): Tell {
    return (fields, text) => {
      const line =
        typeof fields === 'string' ? { text: fields, fields: {} } : { text: text ?? '', fields: { ...(fields as object) } };
      this.lines.push({ level, ...line });
    };
  }
}

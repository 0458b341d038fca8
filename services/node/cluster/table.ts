/** Columns under a header, as wide as they need to be, two spaces apart. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header.map((title) => title.toUpperCase()), ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `1, 2, 3`, or `-` for none. */
export function list(values: readonly (string | number)[]): string {
  return values.length === 0 ? '-' : values.join(', ');
}

/** What is not known is shown as `-`. */
export function known(value: string | number | null): string {
  return value === null ? '-' : String(value);
}

/**
 * The first of each that has the same key, in their order. What is named a hundred thousand times in one request is
 * answered once: a request of a few megabytes must not make an answer of gigabytes.
 */
export function distinct<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    if (!byKey.has(key)) byKey.set(key, item);
  }
  return [...byKey.values()];
}

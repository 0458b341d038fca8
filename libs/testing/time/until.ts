/** Resolves once a condition holds, which is looked at in each turn of the event loop; fails when it does not come about. */
export async function until(isSo: () => boolean, withinMs = 60_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`it did not come about within ${withinMs} ms`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** An answer is looked through no further than this: metrics need not cost what the answer does. */
const NODES_MAX = 2000;

/** Error codes that stand in an answer, at whatever level, 0 left out; of a very large answer those at its beginning. */
export function errorCodesOf(answer: unknown): number[] {
  const codes: number[] = [];
  const open: unknown[] = [answer];
  for (let visited = 0; open.length > 0 && visited < NODES_MAX; visited++) {
    const node = open.pop();
    if (typeof node !== 'object' || node === null || node instanceof Uint8Array) continue;
    if (Array.isArray(node)) {
      for (let i = Math.min(node.length, NODES_MAX) - 1; i >= 0; i--) open.push(node[i]);
      continue;
    }
    for (const [name, value] of Object.entries(node)) {
      if (name === 'errorCode' && typeof value === 'number' && value !== 0) codes.push(value);
      else if (typeof value === 'object') open.push(value);
    }
  }
  return codes;
}

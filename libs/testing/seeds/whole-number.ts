/**
 * The value of a variable of the environment.
 *
 * @throws RangeError that names the variable
 */
export function wholeNumber(name: string, text: string | undefined, otherwise: number, min: number): number {
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min)
    throw new RangeError(`${name}=${text}: a whole number of at least ${min} is expected`);
  return value;
}

/** An OpenAPI document, as far as this API needs it. */

/** A JSON schema, as far as the page needs to know it. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly $ref?: string;
}

export interface MediaDoc {
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

export interface ResponseDoc {
  readonly description: string;
  readonly content?: Readonly<Record<string, MediaDoc>>;
}

export interface ParameterDoc {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}

export interface OperationDoc {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly ParameterDoc[];
  readonly requestBody?: { readonly required: true; readonly content: { readonly 'application/json': MediaDoc } };
  readonly responses: Readonly<Record<string, ResponseDoc>>;
}

export const METHODS = ['get', 'post', 'delete'] as const;
export type Method = (typeof METHODS)[number];
export type PathDoc = Readonly<Partial<Record<Method, OperationDoc>>>;
export type PathDocs = Readonly<Record<string, PathDoc>>;

function refTo(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function media(schema: JsonSchema, example: unknown): MediaDoc {
  return example === undefined ? { schema } : { schema, example };
}

/** A body by its name among the schemas; several names: one of them. */
export function json(description: string, name: string | readonly string[], example?: unknown): ResponseDoc {
  const schema = typeof name === 'string' ? refTo(name) : { anyOf: name.map(refTo) };
  return { description, content: { 'application/json': media(schema, example) } };
}

export function plain(description: string, type: string): ResponseDoc {
  return { description, content: { [type]: { schema: { type: 'string' } } } };
}

export function requestBody(name: string, example: unknown): NonNullable<OperationDoc['requestBody']> {
  return { required: true, content: { 'application/json': media(refTo(name), example) } };
}

export interface Operation {
  readonly path: string;
  readonly method: Method;
  readonly operation: OperationDoc;
}

export function operationsOf(paths: PathDocs): readonly Operation[] {
  return Object.entries(paths).flatMap(([path, doc]) =>
    METHODS.flatMap((method) => {
      const operation = doc[method];
      return operation === undefined ? [] : [{ path, method, operation }];
    }),
  );
}

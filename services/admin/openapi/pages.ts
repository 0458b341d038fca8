import type { OpenApiDocument } from './document';
import { type JsonSchema, type Operation, type OperationDoc, operationsOf, type ResponseDoc } from './operation';

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/** A schema's type in a few words: `array of string`, `one of "voter", "learner"`, `integer or null`. */
function typeText(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' or ');
  if (schema.enum !== undefined) return `one of ${schema.enum.map((value) => JSON.stringify(value)).join(', ')}`;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.items !== undefined) return `array of ${typeText(schema.items)}`;
  return [schema.type ?? 'any'].flat().join(' or ');
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly description: string;
}

/** The fields of an object schema; those of objects in an array are named `members[].node_id`. */
function fieldsOf(schema: JsonSchema, prefix = ''): readonly Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const own = { name: `${prefix}${key}`, type: typeText(field), description: field.description ?? '' };
    return [own, ...(field.items === undefined ? [] : fieldsOf(field.items, `${prefix}${key}[].`))];
  });
}

interface ResponseView {
  readonly status: string;
  readonly description: string;
  /** The body is one of these. */
  readonly schemaNames: readonly string[];
  readonly example: string | undefined;
}

function nameOf({ $ref = '' }: JsonSchema): string {
  return $ref.split('/').at(-1) ?? '';
}

function viewOf(status: string, { description, content = {} }: ResponseDoc): ResponseView {
  const [body] = Object.values(content);
  const { schema = {}, example } = body ?? {};
  const named = (schema.anyOf ?? [schema]).map(nameOf).filter((name) => name !== '');
  return { status, description, schemaNames: named, example: exampleText(example) };
}

function exampleText(example: unknown): string | undefined {
  return example === undefined ? undefined : JSON.stringify(example, undefined, 2);
}

/** The body and the parameters that an operation takes, one line each. */
function takenBy({ parameters = [], requestBody }: OperationDoc): readonly string[] {
  const lines = parameters.map((one) => {
    const [name, type] = [one.in === 'path' ? `{${one.name}}` : `?${one.name}=`, typeText(one.schema)];
    return `${name} ${type}: ${one.description}`;
  });
  const body = requestBody?.content['application/json'];
  return body === undefined ? lines : [...lines, `Body: ${nameOf(body.schema)}`];
}

function responsesOf({ responses }: OperationDoc): readonly ResponseView[] {
  return Object.entries(responses).map(([status, response]) => viewOf(status, response));
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a2e}
h2{margin-top:2.5rem;border-bottom:1px solid #ddd}code,pre{font:14px/1.45 ui-monospace,monospace;background:#f4f4f8;border-radius:4px}
code{padding:.1em .3em}pre{padding:.8rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #eee}
@media(prefers-color-scheme:dark){body{background:#16161d;color:#e6e6ef}code,pre{background:#26262f}td,th,h2{border-color:#333}a{color:#8ab4ff}}`;

function operationHtml({ path, method, operation }: Operation): string {
  const link = (name: string): string => ` <a href="#${name}">${name}</a>`;
  const rows = responsesOf(operation).map(
    ({ status, description, schemaNames }) =>
      `<tr><td><code>${status}</code></td><td>${escape(description)}${schemaNames.map(link).join(',')}</td></tr>`,
  );
  const given = exampleText(operation.requestBody?.content['application/json'].example);
  const examples = [given, ...responsesOf(operation).map(({ example }) => example)];
  const shown = examples.flatMap((example) => (example === undefined ? [] : [`<pre>${escape(example)}</pre>`]));
  const name = `<code>${escape(path)}</code>`;
  const title = method === 'get' ? `<a href="${path}">${name}</a>` : name;
  return `<h3 id="${operation.operationId}">${method.toUpperCase()} ${title}</h3>
<p><b>${escape(operation.summary)}.</b> ${escape(operation.description)}</p>
${takenBy(operation)
  .map((line) => `<p>${escape(line)}</p>`)
  .join('')}<table>${rows.join('')}</table>${shown.join('')}`;
}

function schemaHtml(name: string, schema: JsonSchema): string {
  const rows = fieldsOf(schema).map(
    (field) =>
      `<tr><td><code>${escape(field.name)}</code></td><td>${escape(field.type)}</td><td>${escape(field.description)}</td></tr>`,
  );
  return `<h3 id="${name}">${name}</h3><table><tr><th>Field</th><th>Type</th><th></th></tr>${rows.join('')}</table>`;
}

/** /docs: one page without scripts, styles or fonts from elsewhere. */
export function docsHtml(document: OpenApiDocument): string {
  const { info, tags, paths, components } = document;
  const sections = tags.map(({ name, description }) => {
    const operations = operationsOf(paths).filter(({ operation }) => operation.tags.includes(name));
    return `<h2>${escape(name)}</h2><p>${escape(description)}</p>${operations.map(operationHtml).join('\n')}`;
  });
  const schemas = Object.entries(components.schemas).map(([name, schema]) => schemaHtml(name, schema));
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)}</title><style>${STYLE}</style></head><body>
<h1>${escape(info.title)}</h1><p>Version ${escape(info.version)}. ${escape(info.description)}
For tools: <a href="/docs/openapi.json">openapi.json</a>.</p>
${sections.join('\n')}<h2>Bodies</h2>${schemas.join('\n')}</body></html>
`;
}

function fenced(example: string): string[] {
  return ['', '```json', example, '```'];
}

function operationMarkdown({ path, method, operation }: Operation): string {
  const link = (name: string): string => `[${name}](#${name.toLowerCase()})`;
  const answers = responsesOf(operation);
  const rows = answers.map(({ status, description, schemaNames }) => {
    return `| ${status} | ${description} | ${schemaNames.map(link).join(', ')} |`;
  });
  const taken = takenBy(operation).map((line) => `- ${line}`);
  const given = exampleText(operation.requestBody?.content['application/json'].example);
  const examples = answers.flatMap(({ status, example }) => {
    return example === undefined ? [] : ['', `Answer ${status}:`, ...fenced(example)];
  });
  return [
    `### ${method.toUpperCase()} ${path}`,
    '',
    `${operation.summary}. ${operation.description}`,
    '',
    ...(taken.length === 0 ? [] : [...taken, ...(given === undefined ? [] : fenced(given)), '']),
    '| Status | Meaning | Body |',
    '|---|---|---|',
    ...rows,
    ...examples,
    '',
  ].join('\n');
}

function schemaMarkdown(name: string, schema: JsonSchema): string {
  const rows = fieldsOf(schema).map(({ name: field, type, description }) => `| \`${field}\` | ${type} | ${description} |`);
  return [`### ${name}`, '', '| Field | Type | |', '|---|---|---|', ...rows, ''].join('\n');
}

/** docs/http-api.md */
export function docsMarkdown(document: OpenApiDocument): string {
  const operations = operationsOf(document.paths).map(operationMarkdown);
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) => schemaMarkdown(name, schema));
  return `# HTTP API

<!-- Generated from services/admin/openapi/document.ts: edit that, then run npm run unit -- services/admin -u -->

${document.info.description} A running node shows this at \`/docs\`, and as OpenAPI 3.1 at \`/docs/openapi.json\`.
The gRPC service \`streamline.admin.v1.AdminService\` on the inter-broker port gives the same answers.

## Endpoints

${operations.join('\n')}
## Bodies

${schemas.join('\n')}`;
}

/** A server generated from an OpenAPI description: every GET returns an example of its schema. */
import { createServer } from 'node:http';

// biome-ignore lint/suspicious/noExplicitAny: a description is read by path
type Node = any;

export async function mockOpenApi(
  description: Node,
): Promise<{ url: string; requests: string[]; close(): Promise<void> }> {
  const requests: string[] = [];
  const paths = Object.entries<Node>(description.paths).map(([path, item]) => ({
    pattern: new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`),
    operation: item.get as Node,
  }));
  const server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
    requests.push(`${pathname}${search}`);
    const found = paths.find((path) => path.operation && path.pattern.test(pathname));
    const answer = found?.operation.responses['200'];
    const media =
      answer &&
      Object.entries<Node>(resolved(description, answer).content ?? {}).find(([type]) => /json/.test(type))?.[1];
    response.writeHead(media ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(media ? exampleOf(description, media.schema, 0) : { error: 'Nothing here.' }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** Resolves references within the description. */
function resolved(root: Node, node: Node): Node {
  let found = node;
  while (typeof found?.$ref === 'string') {
    found = found.$ref
      .slice(2)
      .split('/')
      .reduce(
        (at: Node, step: string) => at?.[decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')],
        root,
      );
  }
  return found ?? {};
}

function exampleOf(root: Node, node: Node, depth: number): unknown {
  const schema = resolved(root, node);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one: Node) => exampleOf(root, one, depth)));
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return exampleOf(root, either[0], depth);
  if (schema.properties || schema.type === 'object') {
    if (depth > 6) return {};
    return Object.fromEntries(
      Object.entries<Node>(schema.properties ?? {}).map(([name, one]) => [name, exampleOf(root, one, depth + 1)]),
    );
  }
  if (schema.type === 'array') return depth > 6 ? [] : [exampleOf(root, schema.items ?? {}, depth + 1)];
  if (schema.type === 'integer' || schema.type === 'number') return Math.max(schema.minimum ?? 1, 1);
  if (schema.type === 'boolean') return true;
  if (schema.format === 'date-time') return '2026-03-01T08:00:00Z';
  if (schema.format === 'date') return '2026-03-01';
  return 'text';
}

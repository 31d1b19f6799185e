/** Faults planted in the executor, one at a time; the comparisons with graphql-js must notice each. */
export interface Mutant {
  readonly says: string;
  /** Below gateway/federation. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    says: 'equal representations get the first place of all',
    file: 'gather.ts',
    from: 'indices[n]=i;}return true;}`,',
    to: 'indices[n]=0;}return true;}`,',
  },
  {
    says: 'a step does not wait for the one before',
    file: 'execute.ts',
    from: 'if (waiting) return waiting.then(() => from(i + 1));',
    to: '',
  },
  {
    says: 'objects of one list share their places',
    file: 'gather.ts',
    from: 'part.at[first + n++]',
    to: 'part.at[n++]',
  },
  {
    says: 'all objects of an abstract type are written as the first of them',
    file: 'text.ts',
    from: 'let write = known.get(type);',
    to: 'let write = [...known.values()][0];',
  },
  {
    says: 'null stands where a value is promised (slow way)',
    file: 'writer.ts',
    from: 'if (written !== null || !shape.nonNull) return written;',
    to: 'if (written !== null || shape) return written;',
  },
  {
    says: 'nulls of a fused subgraph do not climb',
    file: 'fused-faults.ts',
    from: 'if (!position.nonNull) continue;',
    to: 'if (position) continue;',
  },
  {
    says: 'fused fields keep the value of an error that was returned or thrown',
    file: 'fused-frame.ts',
    from: 'this.failures.push({ error, position, box, key });',
    to: '',
  },
  {
    says: 'a variable that is not given is null, not the default',
    file: 'fused-arguments.ts',
    from: 'if (variable !== null && Object.hasOwn(variables, variable)) {',
    to: 'if (variable !== null) {',
  },
  {
    says: 'skip and include are taken for each other',
    file: 'conditions.ts',
    from: "(node.name.value === 'include')",
    to: "(node.name.value === 'skip')",
  },
  {
    says: 'aliases that are field names travel under their own name',
    file: 'naming.ts',
    from: "return response.startsWith('_') || fields.has(response) ? `_c_${response}` : response;",
    to: 'return response;',
  },
  {
    says: 'errors of an entity stand at the first of its places only',
    file: 'entities.ts',
    from: 'const { index, object, path } = place;',
    to: 'const { index, object, path: own0 } = place; const path = index === 0 ? own0 : own0.slice(0, 1);',
  },
  {
    says: 'equal selections are not merged before planning',
    file: 'normal.ts',
    from: 'if (known?.items && one.items) known.items.push(...one.items);',
    to: 'if (known?.items && one.items) known.items.push();',
  },
  {
    says: 'the types of an interface are asked for what the others are asked for',
    file: 'planner-narrow.ts',
    from: 'const part = restricted(set, way.sets, all, needed);',
    to: 'const part = restricted(set, here.filter((one) => one !== way).flatMap(({ sets }) => sets), all, needed);',
  },
];

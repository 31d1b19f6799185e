/** vitest configuration that applies the mutant with the number ISTHMUS_MUTANT. */
import { join } from 'node:path';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';
import { ALL_MUTANTS } from './list.ts';

const mutant = ALL_MUTANTS[Number(process.env['ISTHMUS_MUTANT'])];
if (!mutant) throw new Error('ISTHMUS_MUTANT is not the number of a mutant.');
const path = join(import.meta.dirname, '..', '..', mutant.file);

export default mergeConfig(
  base,
  defineConfig({
    plugins: [
      {
        name: 'mutant',
        enforce: 'pre',
        transform: (code: string, id: string) =>
          id.split('?')[0] === path ? code.replace(mutant.from, () => mutant.to) : undefined,
      },
    ],
    test: { maxWorkers: 1 },
  }),
);

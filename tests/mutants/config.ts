/** vitest with one mutant planted, chosen by ISTHMUS_MUTANT. */
import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';
import { MUTANTS } from './list.ts';

const mutant = MUTANTS[Number(process.env['ISTHMUS_MUTANT'])];
if (!mutant) throw new Error('ISTHMUS_MUTANT names no mutant.');

export default mergeConfig(
  base,
  defineConfig({
    plugins: [
      {
        name: 'mutant',
        enforce: 'pre',
        transform(code: string, id: string) {
          if (!id.endsWith(`/gateway/federation/${mutant.file}`)) return undefined;
          if (!code.includes(mutant.from)) throw new Error(`${mutant.file} no longer has: ${mutant.from}`);
          return code.replace(mutant.from, () => mutant.to);
        },
      },
    ],
  }),
);

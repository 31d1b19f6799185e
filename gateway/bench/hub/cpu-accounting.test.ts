import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { childrenOf, cpuOfProcess, memoryOfProcess, parseStat, processTree } from './cpu-accounting.ts';
import { perRequest } from './measurement.ts';

test('process times: the name of a process may contain spaces and parentheses', () => {
  const text = '42 (node) (main) S 7 42 42 0 -1 4194304 1 2 3 4 150 25 60 5 20 0 11 0 100';
  expect(parseStat(text)).toEqual({ parent: 7, own: 1_750, endedChildren: 650 });
});

test('process times: this process uses CPU and memory, and an ended process is an error', () => {
  const before = cpuOfProcess(process.pid);
  while (cpuOfProcess(process.pid) - before < 20);
  expect(memoryOfProcess(process.pid)).toBeGreaterThan(1_000_000);
  expect(() => cpuOfProcess(2 ** 30)).toThrow('Process 1073741824 has ended during the measurement.');
  expect(memoryOfProcess(2 ** 30)).toBe(0);
});

test('process tree: contains the children of children', async () => {
  const child = spawn(process.execPath, [
    '-e',
    "require('child_process').spawn('cat',{stdio:['pipe','ignore','ignore']});console.log('up');process.stdin.resume()",
  ]);
  await once(child.stdout, 'data');
  const tree = processTree(child.pid as number);
  expect(tree).toHaveLength(2);
  expect(childrenOf(process.pid)).toContain(child.pid);
  child.stdin.end();
  child.kill('SIGKILL');
});

test('CPU per request: idle use is subtracted, and less than it is not taken for nothing', () => {
  expect(perRequest(1_000, 100, 2, 400)).toBe(2);
  expect(perRequest(100, 100, 2, 400)).toBe(-0.25);
});

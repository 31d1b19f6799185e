/** Configurations with many installations: of the demo's simulators, or of addresses at which nothing listens. */
import { createHash } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { demoYaml, withInstallations } from '../start/installations.ts';

interface Installation {
  readonly id: string;
  readonly callback?: string;
  readonly sheet?: string;
  readonly [setting: string]: unknown;
}

/** The demo with `count` installations, which share its simulators. */
export const installationsUp = (count: number): string => withInstallations(demoYaml(), count);

/** The demo's installations, repeated until there are `count`; `environmentDown` has the addresses. */
export function installationsDown(count: number): string {
  const { installations, ...rest } = parse(demoYaml()) as { installations: readonly Installation[] };
  const repeated = Array.from({ length: count }, (_, i) => {
    // A copy: the same object twice would be an anchor and an alias.
    const {
      callback: _callback,
      sheet,
      ...template
    } = structuredClone(installations[i % installations.length] as Installation);
    const meters = sheet ? { meters: [{ unit_id: 1, map: 'pulse', serial: `M${i}`, medium: 'ELECTRICITY' }] } : {};
    return { ...template, ...meters, id: `${template.id}-${Math.floor(i / installations.length) + 1}` };
  });
  return stringify({ ...rest, installations: repeated });
}

/** The demo's environment with all addresses at a local port that refuses connections. */
export function environmentDown(port: number): Record<string, string> {
  const at = `127.0.0.1:${port}`;
  return {
    LAKESIDE_ACCESS_URL: `postgres://hub:secret@${at}/doors`,
    LAKESIDE_PARKING_URL: `http://${at}`,
    LAKESIDE_PARKING_TOKEN: 'token',
    LAKESIDE_PARKING_SECRET: 'secret',
    LAKESIDE_REGISTER_URL: `http://${at}`,
    LAKESIDE_TAX_URL: `sftp://hub@${at}/drop`,
    LAKESIDE_TAX_HOST_KEY: `SHA256:${createHash('sha256').digest('base64').replace(/=+$/, '')}`,
    LAKESIDE_TAX_PASSWORD: 'secret',
    LAKESIDE_METERS_URL: `modbus://${at}`,
    LAKESIDE_TELEMETRY_URL: `mqtt://${at}`,
    LAKESIDE_TELEMETRY_USER: 'hub',
    LAKESIDE_TELEMETRY_PASSWORD: 'secret',
    LAKESIDE_ENVIRONMENT_URL: `http://${at}`,
    LAKESIDE_ENVIRONMENT_KEY: 'key',
    LAKESIDE_WORK_ORDERS_URL: `http://${at}`,
  };
}

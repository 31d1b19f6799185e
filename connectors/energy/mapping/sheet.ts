/** The commissioning sheet of the meters behind a Modbus gateway: CSV with a header. */
import { parse } from 'csv-parse/sync';
import { parseUscc } from '../../kit/identifiers.ts';
import type { Medium, WiredMeter } from '../model.ts';
import { REGISTER_MAPS } from './registers.ts';

const MEDIA: readonly Medium[] = ['ELECTRICITY', 'WATER', 'HEAT', 'COOLING', 'GAS'];
const COLUMNS = ['unit_id', 'map', 'serial', 'medium', 'unit', 'building', 'uscc', 'customer'];

/** Rows of the sheet; throws with line and reason of every bad one. */
export function meterSheet(text: string): WiredMeter[] {
  const rows = parse(text, { columns: true, skip_empty_lines: true, trim: true, bom: true, info: true }) as {
    record: Record<string, string>;
    info: { lines: number };
  }[];
  const faults: string[] = [];
  const meters = rows.map(({ record, info }) => {
    const wrong = (what: string) => faults.push(`line ${info.lines}: ${what}`);
    const unitId = Number(record['unit_id']);
    if (!Number.isInteger(unitId) || unitId < 0 || unitId > 255)
      wrong(`unit_id must be 0 to 255, found ${JSON.stringify(record['unit_id'] ?? null)}`);
    const map = record['map'] ?? '';
    if (map !== 'sunspec' && !(map in REGISTER_MAPS))
      wrong(`map must be sunspec or one of ${Object.keys(REGISTER_MAPS).join(', ')}, found ${JSON.stringify(map)}`);
    const medium = MEDIA.find((one) => one === (record['medium'] ?? '').toUpperCase());
    if (!medium) wrong(`medium must be one of ${MEDIA.join(', ')}, found ${JSON.stringify(record['medium'] ?? null)}`);
    if (!record['serial']) wrong('serial is missing');
    const uscc = record['uscc'] ? parseUscc(record['uscc']) : null;
    if (record['uscc'] && uscc === null) wrong(`uscc is no credit code: ${JSON.stringify(record['uscc'])}`);
    return {
      unitId,
      map,
      serial: record['serial'] ?? '',
      medium: medium ?? 'ELECTRICITY',
      unit: record['unit'] || (medium === 'WATER' || medium === 'GAS' ? 'm3' : 'kWh'),
      building: record['building'] || null,
      company: uscc,
      customer: record['customer'] || null,
      modulus: REGISTER_MAPS[map]?.modulus ?? null,
    };
  });
  if (rows.length === 0) faults.push(`no rows; the header is ${COLUMNS.join(',')}`);
  if (faults.length > 0)
    throw new Error(`The meter sheet has faults:\n${faults.map((one) => `  - ${one}`).join('\n')}`);
  return meters;
}

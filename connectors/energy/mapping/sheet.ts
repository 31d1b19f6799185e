/** The commissioning sheet of the meters behind a Modbus gateway: CSV with a header, or the same columns in the settings. */
import { parse } from 'csv-parse/sync';
import { parseUscc } from '../../kit/identifiers.ts';
import type { Medium, WiredMeter } from '../model.ts';
import { REGISTER_MAPS } from './models.ts';

const MEDIA: readonly Medium[] = ['ELECTRICITY', 'WATER', 'HEAT', 'COOLING', 'GAS'];
const UNITS = ['Wh', 'kWh', 'MWh', 'MJ', 'GJ', 'L', 'm3'];
const COLUMNS = ['unit_id', 'map', 'serial', 'medium', 'unit', 'building', 'uscc', 'customer'];

type Row = Readonly<Record<string, string>>;

/** Rows of a sheet; throws with line and reason of every bad one. */
export function meterSheet(text: string): WiredMeter[] {
  const rows = parse(text, { columns: true, skip_empty_lines: true, trim: true, bom: true, info: true }) as unknown as {
    record: Row;
    info: { lines: number };
  }[];
  return meters(rows.map(({ record, info }) => ({ row: record, where: `line ${info.lines}` })));
}

/** Meters from the settings; throws with place and reason of every bad one. */
export const meterList = (rows: readonly Row[]): WiredMeter[] =>
  meters(rows.map((row, i) => ({ row, where: `meters[${i}]` })));

function meters(rows: readonly { row: Row; where: string }[]): WiredMeter[] {
  const faults: string[] = [];
  const serials = new Set<string>();
  const read = rows.map(({ row, where }) => {
    const meter = readMeter(row, (what) => faults.push(`${where}: ${what}`));
    if (meter.serial && serials.has(meter.serial)) faults.push(`${where}: serial ${meter.serial} stands there twice`);
    serials.add(meter.serial);
    return meter;
  });
  if (rows.length === 0) faults.push(`no rows; the header is ${COLUMNS.join(',')}`);
  if (faults.length > 0) throw new Error(`The meter list has faults:\n${faults.map((one) => `  - ${one}`).join('\n')}`);
  return read;
}

function readMeter(row: Row, wrong: (what: string) => void): WiredMeter {
  const found = (column: string) => JSON.stringify(row[column] ?? null);
  const unitId = row['unit_id'] ? Number(row['unit_id']) : Number.NaN;
  if (!Number.isInteger(unitId) || unitId < 0 || unitId > 255)
    wrong(`unit_id must be 0 to 255, found ${found('unit_id')}`);
  const map = row['map'] ?? '';
  if (map !== 'sunspec' && !Object.hasOwn(REGISTER_MAPS, map))
    wrong(`map must be sunspec or one of ${Object.keys(REGISTER_MAPS).join(', ')}, found ${found('map')}`);
  const medium = MEDIA.find((one) => one === (row['medium'] ?? '').toUpperCase());
  if (!medium) wrong(`medium must be one of ${MEDIA.join(', ')}, found ${found('medium')}`);
  const unit = row['unit'] || (medium === 'WATER' || medium === 'GAS' ? 'm3' : 'kWh');
  if (!UNITS.includes(unit)) wrong(`unit must be one of ${UNITS.join(', ')}, found ${found('unit')}`);
  if (!row['serial']) wrong('serial is missing');
  const uscc = row['uscc'] ? parseUscc(row['uscc']) : null;
  if (row['uscc'] && uscc === null) wrong(`uscc is no credit code: ${found('uscc')}`);
  return {
    unitId,
    map,
    serial: row['serial'] ?? '',
    medium: medium ?? 'ELECTRICITY',
    unit,
    building: row['building'] || null,
    company: uscc,
    customer: row['customer'] || null,
    modulus: Object.hasOwn(REGISTER_MAPS, map) ? (REGISTER_MAPS[map]?.modulus ?? null) : null,
  };
}

/** Reads the commissioning sheet of the meters behind a Modbus gateway: CSV with a header, or the same columns in the settings. */
import { parse } from 'csv-parse/sync';
import { parseUscc } from '../../../schema/graph/identifiers.ts';
import type { Medium, WiredMeter } from '../model.ts';
import { REGISTER_MAPS } from './register-maps.ts';

const MEDIA: readonly Medium[] = ['ELECTRICITY', 'WATER', 'HEAT', 'COOLING', 'GAS'];
const UNITS = ['Wh', 'kWh', 'MWh', 'MJ', 'GJ', 'L', 'm3'];
const COLUMNS = ['unit_id', 'map', 'serial', 'medium', 'unit', 'building', 'uscc', 'customer'];

type Row = Readonly<Record<string, string>>;

/** Meters of a sheet. Throws one error with line and reason of every invalid row. */
export function parseMeterSheet(text: string): WiredMeter[] {
  const rows = parse(text, { columns: true, skip_empty_lines: true, trim: true, bom: true, info: true }) as unknown as {
    record: Row;
    info: { lines: number };
  }[];
  return parseRows(rows.map(({ record, info }) => ({ row: record, where: `line ${info.lines}` })));
}

/** Meters of the settings. Throws one error with index and reason of every invalid entry. */
export const parseMeterList = (rows: readonly Row[]): WiredMeter[] =>
  parseRows(rows.map((row, i) => ({ row, where: `meters[${i}]` })));

function parseRows(rows: readonly { row: Row; where: string }[]): WiredMeter[] {
  const problems: string[] = [];
  const serials = new Set<string>();
  const meters = rows.map(({ row, where }) => {
    const meter = readMeter(row, (problem) => problems.push(`${where}: ${problem}`));
    if (meter.serial && serials.has(meter.serial)) problems.push(`${where}: serial ${meter.serial} is listed twice`);
    serials.add(meter.serial);
    return meter;
  });
  if (rows.length === 0) problems.push(`there are no rows; the header is ${COLUMNS.join(',')}`);
  if (problems.length > 0)
    throw new Error(`Invalid meter list:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  return meters;
}

function readMeter(row: Row, report: (problem: string) => void): WiredMeter {
  const found = (column: string) => JSON.stringify(row[column] ?? null);
  const unitId = row['unit_id'] ? Number(row['unit_id']) : Number.NaN;
  if (!Number.isInteger(unitId) || unitId < 0 || unitId > 255)
    report(`unit_id must be 0 to 255, found ${found('unit_id')}`);
  const map = row['map'] ?? '';
  if (map !== 'sunspec' && !Object.hasOwn(REGISTER_MAPS, map))
    report(`map must be sunspec or one of ${Object.keys(REGISTER_MAPS).join(', ')}, found ${found('map')}`);
  const medium = MEDIA.find((one) => one === (row['medium'] ?? '').toUpperCase());
  if (!medium) report(`medium must be one of ${MEDIA.join(', ')}, found ${found('medium')}`);
  const unit = row['unit'] || (medium === 'WATER' || medium === 'GAS' ? 'm3' : 'kWh');
  if (!UNITS.includes(unit)) report(`unit must be one of ${UNITS.join(', ')}, found ${found('unit')}`);
  if (!row['serial']) report('serial is missing');
  const uscc = row['uscc'] ? parseUscc(row['uscc']) : null;
  if (row['uscc'] && uscc === null) report(`uscc must be a credit code, found ${found('uscc')}`);
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

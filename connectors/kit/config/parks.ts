/** The section `parks` of isthmus.yaml, and the check that ids are well formed and unique in the file. */
import { isMap, isSeq, type Node, type YAMLMap } from 'yaml';
import { isRegionCode } from '../../../schema/graph/identifiers.ts';
import type { BuildingConfig, ParkConfig } from './config.ts';
import { DEFAULT_ZONE, isTimeZone } from './time-zone.ts';
import type { ConfigText } from './yaml-text.ts';

const PARK_ENUMS = {
  kind: 'SOFTWARE LOGISTICS CHEMICAL CULTURAL_CREATIVE HIGH_TECH FILM_TELEVISION MEDICAL ANIMATION MIXED'.split(' '),
  function: 'MANUFACTURING WAREHOUSING COMMERCIAL COMPREHENSIVE'.split(' '),
  ledBy: 'GOVERNMENT REAL_ESTATE LARGE_ENTERPRISE SMALL_MICRO'.split(' '),
  level: 'NATIONAL_ECONOMIC NATIONAL_HIGH_TECH PROVINCIAL OTHER'.split(' '),
} as const;
const SETTINGS = ['id', 'name', 'region', 'zone', 'buildings', ...Object.keys(PARK_ENUMS)];

/** Checks an id and returns it. `kind`: park, building or installation; ids are unique within their kind. */
export type CheckId = (node: Node, kind: string, id: unknown) => string;

const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The check for one file. */
export function createIdCheck(text: ConfigText): CheckId {
  const seen = new Set<string>();
  return (node, kind, id) => {
    const idText = String(id ?? '');
    if (!ID.test(idText)) {
      text.addError(
        node,
        `${kind} id must consist of lower-case letters, digits and hyphens, found ${JSON.stringify(id ?? null)}; example: id: lakeside`,
      );
    } else if (seen.has(`${kind} ${idText}`)) text.addError(node, `${kind} id ${idText} is used twice`);
    seen.add(`${kind} ${idText}`);
    return idText;
  };
}

/** Reads the parks with their buildings; errors are added to `text`. */
export function readParks(text: ConfigText, takeId: CheckId): ParkConfig[] {
  const parks = text.list('parks').flatMap((node) => readPark(text, node, takeId) ?? []);
  if (text.list('parks').length === 0) {
    text.addError(
      text.root,
      'parks is missing or empty; example: parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]',
    );
  }
  return parks;
}

function readPark(text: ConfigText, node: Node, takeId: CheckId): ParkConfig | null {
  const raw = text.toPlain(node) as Record<string, unknown> | null;
  if (!isMap(node) || raw === null) {
    text.addError(
      node,
      'a park must be a mapping; example: { id: lakeside, name: Lakeside Software Park, region: "500112" }',
    );
    return null;
  }
  for (const name of Object.keys(raw)) {
    if (!SETTINGS.includes(name))
      text.addError(node, `park: unknown setting ${name}; settings: ${SETTINGS.join(', ')}`);
  }
  const id = takeId(node, 'park', raw['id']);
  if (typeof raw['name'] !== 'string')
    text.addError(node, `park ${id}: name is missing; example: name: Lakeside Software Park`);
  if (!isRegionCode(String(raw['region'] ?? ''))) {
    text.addError(
      node,
      `park ${id}: region must be a six-digit code of GB/T 2260, found ${JSON.stringify(raw['region'] ?? null)}; example: region: "500112"`,
    );
  }
  const enumValue = (name: keyof typeof PARK_ENUMS): string | null => {
    const value = raw[name];
    if (value === undefined || value === null) return null;
    if (!PARK_ENUMS[name].includes(String(value))) {
      text.addError(
        node,
        `park ${id}: ${name} must be one of ${PARK_ENUMS[name].join(', ')}, found ${JSON.stringify(value)}`,
      );
    }
    return String(value);
  };
  const zone = raw['zone'] ?? DEFAULT_ZONE;
  if (!isTimeZone(zone)) {
    text.addError(
      node,
      `park ${id}: zone must be the name of an IANA time zone, found ${JSON.stringify(zone)}; example: zone: ${DEFAULT_ZONE}`,
    );
  }
  const buildings = readBuildings(text, node, id, takeId);
  return {
    id,
    name: String(raw['name'] ?? id),
    region: String(raw['region'] ?? ''),
    kind: enumValue('kind'),
    function: enumValue('function'),
    ledBy: enumValue('ledBy'),
    level: enumValue('level'),
    zone: String(zone),
    buildings,
  };
}

function readBuildings(text: ConfigText, park: YAMLMap, parkId: string, takeId: CheckId): BuildingConfig[] {
  const list = park.get('buildings', true) as Node | undefined;
  if (list !== undefined && !isSeq(list)) text.addError(list, `park ${parkId}: buildings must be a list`);
  return (isSeq(list) ? (list.items as Node[]) : []).flatMap((node): BuildingConfig[] => {
    const raw = text.toPlain(node) as Record<string, unknown> | null;
    if (!isMap(node) || raw === null) {
      text.addError(
        node,
        'a building must be a mapping; example: { id: lakeside-b01, name: Tower 1, floorArea: "12000", known: [B01] }',
      );
      return [];
    }
    const area = raw['floorArea'];
    if (area != null && !/^\d+(\.\d+)?$/.test(String(area))) {
      text.addError(
        node,
        `building ${String(raw['id'])}: floorArea must be square metres such as "12000.5", found ${JSON.stringify(area)}`,
      );
    }
    return [
      {
        id: takeId(node, 'building', raw['id']),
        name: String(raw['name'] ?? raw['id'] ?? ''),
        floorArea: area == null ? null : String(area),
        known: Array.isArray(raw['known']) ? raw['known'].map(String) : [],
      },
    ];
  });
}

/** The section `parks` of isthmus.yaml, and the ids that the whole file gives. */
import { isMap, isSeq, type Node, type YAMLMap } from 'yaml';
import { isRegionCode } from '../identifiers.ts';
import type { BuildingConfig, ParkConfig } from './config.ts';
import type { ConfigText } from './yaml-text.ts';

const PARK_WORDS = {
  kind: 'SOFTWARE LOGISTICS CHEMICAL CULTURAL_CREATIVE HIGH_TECH FILM_TELEVISION MEDICAL ANIMATION MIXED'.split(' '),
  function: 'MANUFACTURING WAREHOUSING COMMERCIAL COMPREHENSIVE'.split(' '),
  ledBy: 'GOVERNMENT REAL_ESTATE LARGE_ENTERPRISE SMALL_MICRO'.split(' '),
  level: 'NATIONAL_ECONOMIC NATIONAL_HIGH_TECH PROVINCIAL OTHER'.split(' '),
} as const;
const KNOWN = ['id', 'name', 'region', 'buildings', ...Object.keys(PARK_WORDS)];

/** Takes the id of a park, building or installation: well formed, and once for each kind of thing. */
export type TakeId = (node: Node, what: string, id: unknown) => string;

const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** For one file. */
export function idsOf(text: ConfigText): TakeId {
  const seen = new Set<string>();
  return (node, what, id) => {
    const idText = String(id ?? '');
    if (!ID.test(idText)) {
      text.fault(
        node,
        `the id of a ${what} must be lower-case letters, digits and hyphens, found ${JSON.stringify(id ?? null)}; example: id: lakeside`,
      );
    } else if (seen.has(`${what} ${idText}`)) text.fault(node, `two ${what}s have the id ${idText}`);
    seen.add(`${what} ${idText}`);
    return idText;
  };
}

/** The parks with their buildings; faults are noted in the text. */
export function readParks(text: ConfigText, takeId: TakeId): ParkConfig[] {
  const parks = text.list('parks').flatMap((node) => readPark(text, node, takeId) ?? []);
  if (text.list('parks').length === 0) {
    text.fault(
      text.root,
      'parks is missing or empty; example: parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]',
    );
  }
  return parks;
}

function readPark(text: ConfigText, node: Node, takeId: TakeId): ParkConfig | null {
  const raw = text.plain(node) as Record<string, unknown> | null;
  if (!isMap(node) || raw === null) {
    text.fault(
      node,
      'a park must be a mapping; example: { id: lakeside, name: Lakeside Software Park, region: "500112" }',
    );
    return null;
  }
  for (const name of Object.keys(raw)) {
    if (!KNOWN.includes(name)) text.fault(node, `${name} is not known of a park; known are ${KNOWN.join(', ')}`);
  }
  const id = takeId(node, 'park', raw['id']);
  if (typeof raw['name'] !== 'string')
    text.fault(node, `park ${id} has no name; example: name: Lakeside Software Park`);
  if (!isRegionCode(String(raw['region'] ?? ''))) {
    text.fault(
      node,
      `park ${id}: region must be six digits of GB/T 2260, found ${JSON.stringify(raw['region'] ?? null)}; example: region: "500112"`,
    );
  }
  const word = (name: keyof typeof PARK_WORDS): string | null => {
    const value = raw[name];
    if (value === undefined || value === null) return null;
    if (!PARK_WORDS[name].includes(String(value))) {
      text.fault(
        node,
        `park ${id}: ${name} must be one of ${PARK_WORDS[name].join(', ')}, found ${JSON.stringify(value)}`,
      );
    }
    return String(value);
  };
  const buildings = readBuildings(text, node, id, takeId);
  return {
    id,
    name: String(raw['name'] ?? id),
    region: String(raw['region'] ?? ''),
    kind: word('kind'),
    function: word('function'),
    ledBy: word('ledBy'),
    level: word('level'),
    buildings,
  };
}

function readBuildings(text: ConfigText, park: YAMLMap, parkId: string, takeId: TakeId): BuildingConfig[] {
  const list = park.get('buildings', true) as Node | undefined;
  if (list !== undefined && !isSeq(list)) text.fault(list, `park ${parkId}: buildings must be a list`);
  return (isSeq(list) ? (list.items as Node[]) : []).flatMap((node): BuildingConfig[] => {
    const raw = text.plain(node) as Record<string, unknown> | null;
    if (!isMap(node) || raw === null) {
      text.fault(
        node,
        'a building must be a mapping; example: { id: lakeside-b01, name: Tower 1, floorArea: "12000", known: [B01] }',
      );
      return [];
    }
    const area = raw['floorArea'];
    if (area != null && !/^\d+(\.\d+)?$/.test(String(area))) {
      text.fault(node, `floorArea must be square metres such as "12000.5", found ${JSON.stringify(area)}`);
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

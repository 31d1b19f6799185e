/** Creates the park's companies, people, vehicles, buildings and meters. The same seed gives the same park. */
import { organisationCheck, usccCheck } from '../../../../schema/graph/identifiers.ts';
import { DRAW, SeededRandom } from './seeded-random.ts';
import type { Building, Company, Door, Lot, Meter, Person, Vehicle, World } from './types.ts';

/** Number of companies with a round-the-clock watch, and size of each of its three crews. */
export const WATCH_COMPANIES = 24;
export const CREW_SIZE = 7;

const ANIMALS = [...'月兔纸鲸铁鸭云雀糖狐木马雪獭茶龟星鹿风猫'];
const WORDS = Array.from({ length: 10 }, (_, i) => `${ANIMALS[2 * i] ?? ''}${ANIMALS[2 * i + 1] ?? ''}`);
const COMPANY_KINDS = ['软件', '机器人', '数据', '芯片'];
const TRADES = [
  '软件开发；信息技术咨询服务',
  '智能机器人研发；自动化设备销售',
  '数据处理和存储支持服务',
  '集成电路设计；电子产品销售',
];
const BUILDING_NAMES = ['研发楼', '创新楼', '数据楼', '孵化楼', '服务楼', '会展楼'];
const SURNAMES = [...'赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张'];
const GIVEN = [...'安博晨丹恩芳刚浩佳凯岚敏宁鹏琪然思涛薇欣雅毅泽梓'];
const PLATE_LETTERS = [...'ABCDEFGHJKLMNPQRSTUVWXYZ'];
const PLATE_SIGNS = [...'0123456789', ...PLATE_LETTERS];

/** A fictional person's name. */
export const personName = (dice: SeededRandom, a: number, b: number): string =>
  dice.pick(SURNAMES, DRAW.name, a, b) +
  dice.pick(GIVEN, DRAW.name, a, b + 1_000_003) +
  (dice.unit(DRAW.name, a, b + 2_000_003) < 0.6 ? dice.pick(GIVEN, DRAW.name, a, b + 3_000_017) : '');

/** A fictional address in the building. */
export const addressIn = (building: Building, room: number): string => `重庆市渝北区湖畔路1号${building.name}${room}室`;

/** Permitted business of a company's line of business. */
export const scopeOf = (company: number): string => TRADES[company % TRADES.length] ?? '';

/**
 * The park of a seed. Before `liveFrom` there is only the office schedule (about 2,500 swipes a workday); from then on also the
 * demo's extra activity (a swipe every 5 s, a car every 12 s, at any hour). Null: extra activity always.
 */
export function createWorld(seed = 'lakeside', liveFrom: Date | null = null): World {
  const dice = new SeededRandom(seed);
  const buildings = Array.from({ length: 12 }, (_, i) => building(dice, i));
  const sizes = headcounts(dice);
  const companies = sizes.map((size, i) => company(dice, i, size, buildings));
  const lots: Lot[] = [
    { id: 'lot-1', name: '东区停车场', capacity: 260 },
    { id: 'lot-2', name: '西区停车场', capacity: 210 },
    { id: 'lot-3', name: '地下停车场', capacity: 200 },
  ];
  const { people, vehicles } = staff(dice, companies, lots);
  return {
    ...{ seed, liveFrom, buildings, companies, people, vehicles, lots },
    park: { id: 'lakeside', name: '湖畔软件园', nameEn: 'Lakeside Software Park', region: '500112' },
    doors: buildings.flatMap((one, i) => doorsOf(one, i)),
    meters: Array.from({ length: 120 }, (_, i) => meter(dice, i, buildings, companies)),
  };
}

function building(dice: SeededRandom, i: number): Building {
  const two = String(i + 1).padStart(2, '0');
  return {
    id: `lakeside-b${two}`,
    code: `B${two}`,
    name: `${i + 1}号${BUILDING_NAMES[i % BUILDING_NAMES.length]}`,
    floorArea: `${dice.between(6_000, 24_000, DRAW.area, i)}.${dice.between(0, 10, DRAW.area, i, 1)}`,
  };
}

/** Employees per company: at least three crews where there is a watch, 800 in total. */
function headcounts(dice: SeededRandom): number[] {
  const sizes = Array.from({ length: 40 }, (_, i) => (i < WATCH_COMPANIES ? 3 * CREW_SIZE : 8));
  for (let left = 800 - sizes.reduce((sum, one) => sum + one, 0), i = 0; left > 0; left--, i++) {
    const at = dice.integer(40, DRAW.building, i, 7);
    sizes[at] = (sizes[at] ?? 0) + 1;
  }
  return sizes;
}

function company(dice: SeededRandom, i: number, headcount: number, buildings: readonly Building[]): Company {
  // Organisation codes beginning with 0000 are never assigned, so no real company is named.
  const organisation = `0000${String(dice.between(0, 250, DRAW.organisation, i) * 40 + i).padStart(4, '0')}`;
  const unchecked = `91500112${organisation}${organisationCheck(organisation)}`;
  const uscc = unchecked + usccCheck(unchecked);
  // Two companies with a watch per building, so that no building is ever empty.
  const home = buildings[i < WATCH_COMPANIES ? i % 12 : dice.integer(12, DRAW.building, i)] as Building;
  const year = dice.between(2009, 2023, DRAW.established, i);
  const day = `${twoDigits(dice.between(1, 13, DRAW.established, i, 1))}-${twoDigits(dice.between(1, 28, DRAW.established, i, 2))}`;
  const number = String(i + 1).padStart(4, '0');
  return {
    ...{ index: i, uscc, headcount, taxpayerNo: uscc, building: home.id },
    name: `湖畔${WORDS[i % 10]}${COMPANY_KINDS[Math.floor(i / 10)]}（示例）有限公司`,
    tenantNo: `T-${number}`,
    meterCustomerNo: `0500${number}${dice.between(10, 100, DRAW.organisation, i, 1)}`,
    legalRepresentative: personName(dice, 900_000 + i, 0),
    capital: `${dice.between(1, 200, DRAW.capital, i) * 500_000}.00`,
    scope: scopeOf(Math.floor(i / 10)),
    address: addressIn(home, 100 * dice.between(1, 10, DRAW.floor, i) + dice.between(1, 20, DRAW.floor, i, 1)),
    establishedOn: `${year}-${day}`,
    approvedOn: `${year + 1}-${day}`,
    status: i === 38 ? 'suspended' : i === 39 ? 'pending' : 'active',
  };
}

function staff(
  dice: SeededRandom,
  companies: readonly Company[],
  lots: readonly Lot[],
): { people: Person[]; vehicles: Vehicle[] } {
  const people: Person[] = [];
  const vehicles: Vehicle[] = [];
  const plates = new Set<string>();
  const register = (home: Company, owner: string | null): Vehicle => {
    const index = vehicles.length;
    const draw = dice.unit(DRAW.colour, index);
    const colour = draw < 0.33 ? 'green' : draw < 0.36 ? 'yellow' : 'blue';
    let plate = '';
    for (let attempt = 0; plate === '' || plates.has(plate); attempt++) plate = plateOf(dice, colour, index, attempt);
    plates.add(plate);
    const lot = lots[index % 20 < 8 ? 0 : index % 20 < 14 ? 1 : 2] as Lot;
    const vehicle: Vehicle = { index, plate, colour, company: home.uscc, owner, lot: lot.id };
    vehicles.push(vehicle);
    return vehicle;
  };
  for (const home of companies) {
    for (let i = 0; i < home.headcount; i++) {
      const index = people.length;
      const pin = String(100_001 + index);
      // 9 of every 16 people drive, which makes 450 cars and gives each company some.
      const vehicle = (index * 7) % 16 < 9 ? register(home, pin).plate : null;
      const crew = home.index < WATCH_COMPANIES && i < 3 * CREW_SIZE ? ((i % 3) as 0 | 1 | 2) : null;
      const cardNo = String(4_000_000 + index * 1_117 + dice.integer(1_000, DRAW.card, index)).padStart(10, '0');
      people.push({ index, pin, name: personName(dice, index, 0), company: home.uscc, cardNo, vehicle, crew });
    }
  }
  for (let i = 0; vehicles.length < 600; i++) register(companies[i % companies.length] as Company, null);
  return { people, vehicles };
}

function plateOf(dice: SeededRandom, colour: Vehicle['colour'], index: number, attempt: number): string {
  const sign = (i: number) => dice.pick(PLATE_SIGNS, DRAW.plate, index, attempt * 8 + i);
  const digit = (i: number) => dice.integer(10, DRAW.plate, index, attempt * 8 + i);
  const city = dice.pick(['A', 'A', 'B', 'D'], DRAW.plate, index, attempt * 8 + 7);
  if (colour !== 'green') return `渝${city}${sign(0)}${sign(1)}${digit(2)}${digit(3)}${digit(4)}`;
  return `渝${city}${dice.pick(['D', 'D', 'F'], DRAW.plate, index, attempt * 8)}${sign(1)}${digit(2)}${digit(3)}${digit(4)}${digit(5)}`;
}

function doorsOf(home: Building, i: number): Door[] {
  const kinds: [string, Door['readers']][] = [
    ['大厅闸机', ['in', 'out']],
    ['北门', ['in', 'out']],
    ['地库门', ['in', 'out']],
    ['东侧入口', ['in']],
    ['西侧出口', ['out']],
  ];
  return kinds.map(([kind, readers], k) => {
    const index = i * kinds.length + k;
    return { index, id: `door-${twoDigits(index + 1)}`, name: `${home.name}${kind}`, building: home.id, readers };
  });
}

function meter(dice: SeededRandom, i: number, buildings: readonly Building[], companies: readonly Company[]): Meter {
  const medium = i < 90 ? 'electricity' : i < 108 ? 'water' : 'heat';
  // The first 80 meters measure companies, the next ten measure buildings; every building has water and heat meters.
  const tenant = i < 80 ? (companies[i % 40] as Company) : null;
  const home = tenant?.building ?? (buildings[(i < 90 ? i - 80 : i - 90) % 12] as Building).id;
  const scale =
    medium === 'electricity' ? (tenant ? 900 * tenant.headcount : 60_000) : medium === 'water' ? 900 : 45_000;
  const load = Array.from({ length: 168 }, (_, hour) => {
    const office = Math.floor(hour / 24) < 5 && hour % 24 >= 8 && hour % 24 < 20;
    const share = (office ? 1 : 0.25) * (0.8 + 0.4 * dice.unit(DRAW.load, i, hour));
    return Math.max(1, Math.round(scale * share));
  });
  return {
    ...{ index: i, medium, load, building: home, company: tenant?.uscc ?? null },
    serial: `LS${String(20_240_000 + i + 1)}`,
    unit: medium === 'water' ? 'm3' : 'kWh',
    decimals: medium === 'water' ? 3 : 2,
    protocol: i % 2 === 0 ? 'modbus' : 'mqtt',
    baseRegister: dice.between(1_000, 90_000, DRAW.register, i),
  };
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/**
 * A pretend tax office: an SFTP drop on loopback, on which it lays the files that the park's story tells of and answers
 * requests for clearance. Written from the manual of its layouts; knows nothing of the connector.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { makeWholeFile, writeWholeFile } from '../../kit/testing/atomic-file.ts';
import { type Company, story, type TaxFile } from '../../kit/testing/park/index.ts';
import {
  Journal,
  type Running,
  type Simulator,
  type SimulatorOptions,
  tellStory,
} from '../../kit/testing/simulator.ts';
import { bills, returns, standing } from './figures.ts';
import { makeHostKey, serveDrop } from './sftp.ts';
import { auditFile, type Delivery, filings, invoices, standings } from './write.ts';

const USER = 'isthmus';
/** The hub's folder on the drop. */
const FOLDER = 'park';
/** How often the office looks for requests, and how long it takes over each step of one. */
const LOOK = 500;
const ACCEPTING = 2_000;
const DECIDING = 5_000;
/** After a long time off it does not lay all that it missed, only the newest. */
const MOST_MISSED = 12;
const DAY = 86_400_000;

interface Secrets {
  readonly password: string;
  readonly hostKey: string;
  readonly fingerprint: string;
}

export const simulator: Simulator = {
  name: 'tax',
  async start(options: SimulatorOptions): Promise<Running> {
    const root = join(options.directory, 'drop');
    await mkdir(join(root, FOLDER), { recursive: true });
    const secrets = await secretsOf(options.directory);
    const journal = new Journal(options.directory);
    const office = new Office(options, join(root, FOLDER), journal);
    await office.layHistory();
    const server = await serveDrop({
      ...{ root, hostKey: secrets.hostKey, username: USER, password: secrets.password, port: options.ports?.['sftp'] },
      told: (operation, detail) => journal.append({ operation, ...detail }),
    });
    const teller = tellStory(options, (moment) => (moment.kind === 'tax-file' ? office.lay(moment) : undefined));
    office.attend();
    let closing: Promise<void> | undefined;
    return {
      ports: { sftp: server.port },
      env: {
        LAKESIDE_TAX_URL: `sftp://${USER}@127.0.0.1:${server.port}/${FOLDER}`,
        LAKESIDE_TAX_PASSWORD: secrets.password,
        LAKESIDE_TAX_HOST_KEY: secrets.fingerprint,
      },
      close() {
        teller.stop();
        closing ??= Promise.all([office.close(), server.close()]).then(() => undefined);
        return closing;
      },
    };
  },
};

/** The same password and host key at every start of this folder. */
async function secretsOf(directory: string): Promise<Secrets> {
  const file = join(directory, 'secrets.json');
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return JSON.parse(known) as Secrets;
  const made = { password: randomBytes(18).toString('base64url'), ...makeHostKey() };
  makeWholeFile(file, JSON.stringify(made));
  return made;
}

class Office {
  readonly #options: SimulatorOptions;
  readonly #folder: string;
  readonly #journal: Journal;
  readonly #until: string;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: SimulatorOptions, folder: string, journal: Journal) {
    this.#options = options;
    this.#folder = folder;
    this.#journal = journal;
    this.#until = join(options.directory, 'until.json');
  }

  /** At first the books of the months that `history` touches, two at least; later what was missed while it was off. */
  async layHistory(): Promise<void> {
    const now = this.#options.now();
    const { companies } = this.#options.world;
    const told = await readFile(this.#until, 'utf8').catch(() => null);
    if (told !== null) {
      const missed = [...story(this.#options.world, new Date(JSON.parse(told) as string), now)];
      const files = missed.filter((one): one is TaxFile => one.kind === 'tax-file').slice(-MOST_MISSED);
      for (const file of files) await this.lay(file);
      return;
    }
    const months = Math.max(2, Math.ceil(this.#options.history / (30 * DAY)));
    const local = new Date(now.getTime() + 8 * 3_600_000);
    for (let back = months; back >= 1; back--) {
      const month = new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() - back, 1));
      const period = month.toISOString().slice(0, 7);
      const at = new Date(now.getTime() - back * 60_000);
      const number = Math.floor(at.getTime() / 1_000);
      for (const nature of ['filings', 'invoices', 'accounts'] as const) {
        if (nature === 'accounts' && back > 1) continue;
        await this.#deliver({ kind: 'tax-file', at, number, nature, period, companies });
      }
    }
    // Last: a history that was interrupted is laid anew.
    writeWholeFile(this.#until, JSON.stringify(now));
  }

  /** Lays what one moment of the story tells of. */
  async lay(file: TaxFile): Promise<void> {
    await this.#deliver(file);
    writeWholeFile(this.#until, JSON.stringify(file.at));
  }

  async #deliver(file: TaxFile): Promise<void> {
    const { world } = this.#options;
    const { number, at, period, nature, companies } = file;
    const whole = companies.length === world.companies.length;
    const delivery: Delivery = { number, at, period, whole };
    const name = `${period.replace('-', '')}_${number}`;
    if (nature === 'accounts') {
      const all = companies.map((company) => ({ company, standing: standing(world, company, whole ? null : number) }));
      await this.#lay(`NSR_${name}.txt`, standings(delivery, all));
    } else if (nature === 'filings') {
      const today = new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 10);
      const all = companies.map((company) => ({ company, returns: returns(world, company, period, today) }));
      await this.#lay(`SB_${name}.txt`, filings(delivery, all));
    } else {
      const abroad = companies.filter(hasForeignBooks);
      const home = companies.filter((company) => !hasForeignBooks(company));
      const all = home.map((company) => ({ company, bills: bills(world, company, period) }));
      // Those with foreign books are not in it, so it is never the whole.
      if (all.length > 0)
        await this.#lay(`FP_${name}.csv`, invoices({ ...delivery, whole: false }, all, number % 3 === 0));
      for (const company of abroad) {
        const bytes = auditFile(delivery, company, bills(world, company, period));
        await this.#lay(`SAFT_${company.taxpayerNo}_${name}.xml`, bytes, false);
      }
    }
  }

  /** Writes under a hidden name first; audit files come without a marker, as their makers know none. */
  async #lay(name: string, bytes: Buffer, marker = true, folder = this.#folder): Promise<void> {
    const hidden = join(folder, `.${name}.part`);
    await writeFile(hidden, bytes);
    await rename(hidden, join(folder, name));
    if (marker) await writeFile(join(folder, `${name}.ok`), '');
    this.#journal.append({ operation: 'lay', name, bytes: bytes.length, at: this.#options.now() });
  }

  /** From now on it takes requests off the drop and answers them. */
  attend(): void {
    this.#timer = setTimeout(() => {
      this.#working = this.#look()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#closed) this.attend();
        });
    }, LOOK);
  }

  readonly #pending: { due: number; reference: string; taxpayerNo: string; step: number }[] = [];

  async #look(): Promise<void> {
    const outbound = join(this.#folder, 'outbound');
    const names = await readdir(outbound).catch(() => []);
    for (const name of names.filter((one) => /^clearance-[^/]+\.csv$/.test(one))) {
      const text = iconv.decode(await readFile(join(outbound, name)), 'gb18030');
      await rm(join(outbound, name));
      const [, reference = '', taxpayerNo = ''] = (text.split(/\r?\n/)[1] ?? '').split(',');
      this.#journal.append({ operation: 'request', reference, taxpayerNo });
      this.#pending.push({ due: Date.now() + ACCEPTING, reference, taxpayerNo, step: 0 });
    }
    const due = this.#pending.filter((one) => one.due <= Date.now());
    for (const one of due) {
      await this.#answer(one.reference, one.taxpayerNo, one.step);
      this.#pending.splice(this.#pending.indexOf(one), 1);
      if (one.step === 0) this.#pending.push({ ...one, due: Date.now() + DECIDING - ACCEPTING, step: 1 });
    }
  }

  async #answer(reference: string, taxpayerNo: string, step: number): Promise<void> {
    const { world, now } = this.#options;
    const company = world.companies.find((one) => one.taxpayerNo === taxpayerNo);
    const owes = !company || standing(world, company, null) === 'arrears';
    const time = new Date(now().getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
    const receipt = `渝税${step === 0 ? '受' : '证'}${reference.slice(0, 8)}`;
    const result = step === 0 ? `受理,${receipt},` : owes ? '驳回,,欠税未清' : `办结,${receipt},`;
    const text = `类别,申请编号,结果,文书号,原因,时间\r\n完税证明答复,${reference},${result},${time}\r\n`;
    const folder = join(this.#folder, 'replies');
    await mkdir(folder, { recursive: true });
    await this.#lay(`reply-${reference}-${step + 1}.csv`, iconv.encode(text, 'gb18030'), true, folder);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#working;
    clearTimeout(this.#timer);
  }
}

/** Every eighth company keeps its books abroad. */
const hasForeignBooks = (company: Company): boolean => company.index % 8 === 7;

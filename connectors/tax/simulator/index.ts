/**
 * Simulates the tax office: an SFTP server on loopback to which it writes the files of the scenario and replies to clearance requests.
 * Written from the manual of the layouts; shares no code with the connector.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { createFile, replaceFile } from '../../kit/testing/atomic-file.ts';
import { type Company, scenario, type TaxFile } from '../../kit/testing/park/index.ts';
import {
  Journal,
  playScenario,
  type RunningSimulator,
  type Simulator,
  type SimulatorOptions,
} from '../../kit/testing/simulator.ts';
import { type Delivery, invoicesFile, returnsFile, saftFile, standingsFile } from './file-writers.ts';
import { generateInvoices, generateReturns, standing } from './generated-data.ts';
import { makeHostKey, serveDrop } from './sftp-server.ts';

const USER = 'isthmus';
/** The hub's folder on the server. */
const FOLDER = 'park';
/** Milliseconds: interval of looking for requests, and time from a request to acceptance and to decision. */
const POLL_INTERVAL = 500;
const ACCEPT_AFTER = 2_000;
const DECIDE_AFTER = 5_000;
/** After downtime only this many of the newest missed files are written. */
const MAX_MISSED = 12;
const DAY = 86_400_000;

interface Secrets {
  readonly password: string;
  readonly hostKey: string;
  readonly fingerprint: string;
}

export const simulator: Simulator = {
  name: 'tax',
  async start(options: SimulatorOptions): Promise<RunningSimulator> {
    const root = join(options.directory, 'drop');
    await mkdir(join(root, FOLDER), { recursive: true });
    const secrets = await secretsOf(options.directory);
    const journal = new Journal(options.directory);
    const office = new Office(options, join(root, FOLDER), journal);
    await office.writeHistory();
    const server = await serveDrop({
      ...{ root, hostKey: secrets.hostKey, username: USER, password: secrets.password, port: options.ports?.['sftp'] },
      onOperation: (operation, detail) => journal.append({ operation, ...detail }),
    });
    const teller = playScenario(options, (moment) => (moment.kind === 'tax-file' ? office.deliver(moment) : undefined));
    office.watchRequests();
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

/** Password and host key, stored in the folder so that they stay the same across restarts. */
async function secretsOf(directory: string): Promise<Secrets> {
  const file = join(directory, 'secrets.json');
  const stored = await readFile(file, 'utf8').catch(() => null);
  if (stored !== null) return JSON.parse(stored) as Secrets;
  const created = { password: randomBytes(18).toString('base64url'), ...makeHostKey() };
  createFile(file, JSON.stringify(created));
  return created;
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

  /** On the first start, writes files for the months of `history`, at least two; later, those missed while it was stopped. */
  async writeHistory(): Promise<void> {
    const now = this.#options.now();
    const { companies } = this.#options.world;
    const until = await readFile(this.#until, 'utf8').catch(() => null);
    if (until !== null) {
      const missed = [...scenario(this.#options.world, new Date(JSON.parse(until) as string), now)];
      const files = missed.filter((moment): moment is TaxFile => moment.kind === 'tax-file').slice(-MAX_MISSED);
      for (const file of files) await this.deliver(file);
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
        await this.#writeFiles({ kind: 'tax-file', at, number, nature, period, companies });
      }
    }
    // Written last, so that an interrupted history is repeated.
    replaceFile(this.#until, JSON.stringify(now));
  }

  /** Writes the files of one moment of the scenario. */
  async deliver(file: TaxFile): Promise<void> {
    await this.#writeFiles(file);
    replaceFile(this.#until, JSON.stringify(file.at));
  }

  async #writeFiles(file: TaxFile): Promise<void> {
    const { world } = this.#options;
    const { number, at, period, nature, companies } = file;
    const whole = companies.length === world.companies.length;
    const delivery: Delivery = { number, at, period, whole };
    const name = `${period.replace('-', '')}_${number}`;
    if (nature === 'accounts') {
      const all = companies.map((company) => ({ company, standing: standing(world, company, whole ? null : number) }));
      await this.#write(`NSR_${name}.txt`, standingsFile(delivery, all));
    } else if (nature === 'filings') {
      const today = new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 10);
      const all = companies.map((company) => ({ company, returns: generateReturns(world, company, period, today) }));
      await this.#write(`SB_${name}.txt`, returnsFile(delivery, all));
    } else {
      const abroad = companies.filter(hasForeignBooks);
      const home = companies.filter((company) => !hasForeignBooks(company));
      const all = home.map((company) => ({ company, bills: generateInvoices(world, company, period) }));
      // Companies with foreign books are missing, so the file is always partial.
      if (all.length > 0)
        await this.#write(`FP_${name}.csv`, invoicesFile({ ...delivery, whole: false }, all, number % 3 === 0));
      for (const company of abroad) {
        const bytes = saftFile(delivery, company, generateInvoices(world, company, period));
        await this.#write(`SAFT_${company.taxpayerNo}_${name}.xml`, bytes, false);
      }
    }
  }

  /** Writes a file under a hidden name and renames it. SAF-T files have no marker. */
  async #write(name: string, bytes: Buffer, marker = true, folder = this.#folder): Promise<void> {
    const hidden = join(folder, `.${name}.part`);
    await writeFile(hidden, bytes);
    await rename(hidden, join(folder, name));
    if (marker) await writeFile(join(folder, `${name}.ok`), '');
    this.#journal.append({ operation: 'lay', name, bytes: bytes.length, at: this.#options.now() });
  }

  /** Starts taking requests and replying to them. */
  watchRequests(): void {
    this.#timer = setTimeout(() => {
      this.#working = this.#processRequests()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#closed) this.watchRequests();
        });
    }, POLL_INTERVAL);
  }

  readonly #pending: { due: number; reference: string; taxpayerNo: string; step: number }[] = [];

  async #processRequests(): Promise<void> {
    const outbound = join(this.#folder, 'outbound');
    const names = await readdir(outbound).catch(() => []);
    for (const name of names.filter((file) => /^clearance-[^/]+\.csv$/.test(file))) {
      const text = iconv.decode(await readFile(join(outbound, name)), 'gb18030');
      await rm(join(outbound, name));
      const [, reference = '', taxpayerNo = ''] = (text.split(/\r?\n/)[1] ?? '').split(',');
      this.#journal.append({ operation: 'request', reference, taxpayerNo });
      this.#pending.push({ due: Date.now() + ACCEPT_AFTER, reference, taxpayerNo, step: 0 });
    }
    const due = this.#pending.filter((request) => request.due <= Date.now());
    for (const request of due) {
      await this.#reply(request.reference, request.taxpayerNo, request.step);
      this.#pending.splice(this.#pending.indexOf(request), 1);
      if (request.step === 0)
        this.#pending.push({ ...request, due: Date.now() + DECIDE_AFTER - ACCEPT_AFTER, step: 1 });
    }
  }

  async #reply(reference: string, taxpayerNo: string, step: number): Promise<void> {
    const { world, now } = this.#options;
    const company = world.companies.find((candidate) => candidate.taxpayerNo === taxpayerNo);
    const owes = !company || standing(world, company, null) === 'arrears';
    const time = new Date(now().getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
    const receipt = `渝税${step === 0 ? '受' : '证'}${reference.slice(0, 8)}`;
    const result = step === 0 ? `受理,${receipt},` : owes ? '驳回,,欠税未清' : `办结,${receipt},`;
    const text = `类别,申请编号,结果,文书号,原因,时间\r\n完税证明答复,${reference},${result},${time}\r\n`;
    const folder = join(this.#folder, 'replies');
    await mkdir(folder, { recursive: true });
    await this.#write(`reply-${reference}-${step + 1}.csv`, iconv.encode(text, 'gb18030'), true, folder);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#working;
    clearTimeout(this.#timer);
  }
}

/** Every eighth company has foreign books, delivered as SAF-T. */
const hasForeignBooks = (company: Company): boolean => company.index % 8 === 7;

/** Pretends to be a heating company's SOAP service: one station in each building, read every minute. It writes its XML by itself. */
import { createServer } from 'node:http';
import { Journal, listen, type Simulator } from '../../kit/testing/simulator.ts';
import { ending, noise } from './json-server.ts';

const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/';
const HEATING = 'http://heating.example/stations';
const KEY = 'heating-demo-key';
const MINUTE = 60_000;
const STATES = ['RUNNING', 'RUNNING', 'RUNNING', 'OFF', 'ALARM'] as const;

const fault = (code: string, text: string, detail = ''): string =>
  `<s:Fault><faultcode>s:${code}</faultcode><faultstring>${text}</faultstring>${detail && `<detail><h:${detail}/></detail>`}</s:Fault>`;
const inner = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<(?:\\w+:)?${name}>([^<]*)</`, 'g'))].map((one) => one[1] ?? '');

export const simulator: Simulator = {
  name: 'heating',
  start: async ({ directory, world, now, ports }) => {
    const journal = new Journal(directory);
    const stations = () => world.buildings.map((one, i) => ({ serial: `HS-${100 + i}`, site: one.code }));
    const text = (wanted: readonly { serial: string; site: string }[]): string =>
      wanted.map((one) => station(one, Math.floor(now().getTime() / MINUTE))).join('');
    const answer = (operation: string, body: string): string => {
      if (operation === 'GetStatus') return '<h:ready>true</h:ready>';
      if (operation === 'SetTarget') return '';
      if (operation === 'GetStation')
        return text(stations().filter((one) => inner(body, 'serial').includes(one.serial)));
      const sites = inner(body, 'site');
      const found = stations().filter((one) => sites.length === 0 || sites.includes(one.site));
      // As some toolkits do, a list of none is left out.
      return found.length === 0 ? '' : `<h:stations>${text(found)}</h:stations>`;
    };
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      const operation = /"[^"]*\/(\w+)"$/.exec(String(request.headers['soapaction'] ?? ''))?.[1] ?? '';
      let said: string;
      if (request.method !== 'POST') said = fault('Client', 'Only POST.');
      else if (request.headers['x-api-key'] !== KEY) said = fault('Client.Authentication', 'Unknown key.');
      else if (!body.includes(`:${operation} `) && !body.includes(`:${operation}>`))
        said = fault('Client', 'Another action.');
      else {
        const found = answer(operation, body);
        said =
          operation === 'GetStation' && found === ''
            ? fault('Client', 'No such station.', 'StationNotFound')
            : `<h:${operation}Response>${found}</h:${operation}Response>`;
      }
      journal.append({ operation: operation || String(request.method), body: body.slice(-400) });
      response.writeHead(said.startsWith('<s:Fault') ? 500 : 200, { 'content-type': 'text/xml; charset=utf-8' });
      response.end(
        `<?xml version="1.0"?><s:Envelope xmlns:s="${ENVELOPE}" xmlns:h="${HEATING}"><s:Body>${said}</s:Body></s:Envelope>`,
      );
    });
    server.keepAliveTimeout = 5_000;
    const port = await listen(server, ports?.['http']);
    return {
      ports: { http: port },
      env: { LAKESIDE_HEATING_URL: `http://127.0.0.1:${port}/soap`, LAKESIDE_HEATING_KEY: KEY },
      close: ending(server),
    };
  },
};

/** One station. The time has no offset: it is the local one, eight hours ahead of Greenwich. */
function station({ serial, site }: { serial: string; site: string }, minute: number): string {
  const own = noise(serial);
  const state = STATES[Math.floor(noise(`${serial} ${Math.floor(minute / 60)}`) * STATES.length)] ?? 'RUNNING';
  const measured = new Date(minute * MINUTE + 8 * 3_600_000).toISOString().slice(0, 19);
  const degrees = (62 + own * 12 + noise(`${serial} ${minute}`)).toFixed(1);
  const alarms = state === 'ALARM' ? '<h:alarm><h:code>17</h:code><h:text>Pump stands still</h:text></h:alarm>' : '';
  return [
    `<h:station revision="${1 + Math.floor(own * 3)}">`,
    `<h:serial>${serial}</h:serial><h:site>${site}</h:site><h:state>${state}</h:state><h:measured>${measured}</h:measured>`,
    `<h:supply><h:temperature unit="Cel">${degrees}</h:temperature><h:pressure>${(3 + own).toFixed(2)}</h:pressure></h:supply>`,
    `<h:heat>${3_000_000_000 + Math.floor(own * 1e9) + minute}</h:heat>${alarms && `<h:alarms>${alarms}</h:alarms>`}</h:station>`,
  ].join('');
}

/** Simulates a heating company's SOAP service: one station in each building, a new reading every minute. Writes its XML without a library. */
import { createServer } from 'node:http';
import { Journal, listen, type Simulator } from '../../kit/testing/simulator.ts';
import { closeOnce, noise } from './json-server.ts';

const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/';
const HEATING = 'http://heating.example/stations';
const KEY = 'heating-demo-key';
const MINUTE = 60_000;
const STATES = ['RUNNING', 'RUNNING', 'RUNNING', 'OFF', 'ALARM'] as const;

const fault = (code: string, text: string, detail = ''): string =>
  `<s:Fault><faultcode>s:${code}</faultcode><faultstring>${text}</faultstring>${detail && `<detail><h:${detail}/></detail>`}</s:Fault>`;
const inner = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<(?:\\w+:)?${name}>([^<]*)</`, 'g'))].map((match) => match[1] ?? '');

export const simulator: Simulator = {
  name: 'heating',
  start: async ({ directory, world, now, ports }) => {
    const journal = new Journal(directory);
    const stations = () => world.buildings.map(({ code }, i) => ({ serial: `HS-${100 + i}`, site: code }));
    const writeStations = (list: readonly { serial: string; site: string }[]): string =>
      list.map((entry) => station(entry, Math.floor(now().getTime() / MINUTE))).join('');
    const respond = (operation: string, body: string): string => {
      if (operation === 'GetStatus') return '<h:ready>true</h:ready>';
      if (operation === 'SetTarget') return '';
      if (operation === 'GetStation')
        return writeStations(stations().filter(({ serial }) => inner(body, 'serial').includes(serial)));
      const sites = inner(body, 'site');
      const found = stations().filter(({ site }) => sites.length === 0 || sites.includes(site));
      // An empty list is omitted, as by some SOAP toolkits.
      return found.length === 0 ? '' : `<h:stations>${writeStations(found)}</h:stations>`;
    };
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      const operation = /"[^"]*\/(\w+)"$/.exec(String(request.headers['soapaction'] ?? ''))?.[1] ?? '';
      let content: string;
      if (request.method !== 'POST') content = fault('Client', 'Only POST.');
      else if (request.headers['x-api-key'] !== KEY) content = fault('Client.Authentication', 'Unknown key.');
      else if (!body.includes(`:${operation} `) && !body.includes(`:${operation}>`))
        content = fault('Client', 'SOAPAction does not match the body.');
      else {
        const found = respond(operation, body);
        content =
          operation === 'GetStation' && found === ''
            ? fault('Client', 'No such station.', 'StationNotFound')
            : `<h:${operation}Response>${found}</h:${operation}Response>`;
      }
      journal.append({ operation: operation || String(request.method), body: body.slice(-400) });
      response.writeHead(content.startsWith('<s:Fault') ? 500 : 200, { 'content-type': 'text/xml; charset=utf-8' });
      response.end(
        `<?xml version="1.0"?><s:Envelope xmlns:s="${ENVELOPE}" xmlns:h="${HEATING}"><s:Body>${content}</s:Body></s:Envelope>`,
      );
    });
    server.keepAliveTimeout = 5_000;
    const port = await listen(server, ports?.['http']);
    return {
      ports: { http: port },
      env: { LAKESIDE_HEATING_URL: `http://127.0.0.1:${port}/soap`, LAKESIDE_HEATING_KEY: KEY },
      close: closeOnce(server),
    };
  },
};

/** The XML of one station. Its time is local (UTC+8) and written without an offset. */
function station({ serial, site }: { serial: string; site: string }, minute: number): string {
  const own = noise(serial);
  const state = STATES[Math.floor(noise(`${serial} ${Math.floor(minute / 60)}`) * STATES.length)] ?? 'RUNNING';
  const measured = new Date(minute * MINUTE + 8 * 3_600_000).toISOString().slice(0, 19);
  const degrees = (62 + own * 12 + noise(`${serial} ${minute}`)).toFixed(1);
  const alarms = state === 'ALARM' ? '<h:alarm><h:code>17</h:code><h:text>Pump stopped</h:text></h:alarm>' : '';
  return [
    `<h:station revision="${1 + Math.floor(own * 3)}">`,
    `<h:serial>${serial}</h:serial><h:site>${site}</h:site><h:state>${state}</h:state><h:measured>${measured}</h:measured>`,
    `<h:supply><h:temperature unit="Cel">${degrees}</h:temperature><h:pressure>${(3 + own).toFixed(2)}</h:pressure></h:supply>`,
    `<h:heat>${3_000_000_000 + Math.floor(own * 1e9) + minute}</h:heat>${alarms && `<h:alarms>${alarms}</h:alarms>`}</h:station>`,
  ].join('');
}

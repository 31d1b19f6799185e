import { rejected, type SourceError, unavailable } from '../../kit/errors.ts';
import { child, local, SOAP11, type SoapFault, SoapTransport, writeEnvelope } from '../../kit/protocols/soap.ts';
import { familyOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import { operationOf, type Reader } from '../core/source-description.ts';
import { type Rereadable, rereading, wantedOf } from '../description/description-drift.ts';
import { loadWsdl } from './load-wsdl.ts';
import { type WsdlSettings, wsdlSettings } from './settings.ts';
import { answerOf, questionOf } from './soap-message.ts';
import type { SoapOperation, Wsdl } from './wsdl-document.ts';

/** Any system with a WSDL 1.1 description, by configuration alone. */
export default familyOf<WsdlSettings, Wsdl & Rereadable>({
  name: 'wsdl',
  settings: wsdlSettings,
  protocol: () => 'soap',
  place: (settings) => settings.wsdl,
  describe: async ({ wsdl }, folder, alike) => ({
    ...(await loadWsdl(wsdl, folder, alike)),
    again: async () => {
      const now = await loadWsdl(wsdl, folder, alike);
      return async () => now;
    },
  }),
  reader: (described, settings, { log }, entities) => ({
    ...wsdlReader(described, settings, entities),
    drift: rereading(described, { place: settings.wsdl, part: 'element', entities, log }),
  }),
});

/** One installation. Opens no connection before it is asked. */
export function wsdlReader(
  description: Wsdl,
  settings: Pick<WsdlSettings, 'url' | 'headers' | 'check' | 'absent' | 'zone'>,
  entities: readonly TypedEntity[],
): Reader {
  const transport = new SoapTransport(settings.url);
  const wanted = wantedOf(entities);
  const nothing = new Map<string, readonly string[]>();
  const reader: Reader = {
    operations: description.operations,
    ask: async ({ operation: name, given, absent }, signal) => {
      const operation = operationOf(description, name) as SoapOperation | undefined;
      if (!operation) throw rejected(`the description has no operation ${name}`);
      const envelope = writeEnvelope([], questionOf(operation, given), operation.version);
      const { fault, body } = await transport.send(envelope, signal, {
        ...headersOf(operation),
        ...settings.headers,
      });
      if (fault) {
        if (absent && settings.absent !== null && namesOf(fault).includes(settings.absent)) return null;
        throw faultError(fault);
      }
      if (!body) throw unavailable('the message has an empty body');
      if (absent && body.children.length === 0) return null;
      const paths = new Set((wanted.get(name) ?? nothing).keys());
      const answer = answerOf(operation, body, { zone: settings.zone, wanted: paths });
      return absent && Object.values(answer).every((one) => one === null) ? null : answer;
    },
    check: (signal) =>
      settings.check === null
        ? transport.reach(signal, settings.headers)
        : reader.ask({ operation: settings.check, given: {}, absent: false }, signal).then(() => undefined),
    close: () => transport.close(),
  };
  return reader;
}

const headersOf = ({ version, action }: SoapOperation): Record<string, string> =>
  version === SOAP11
    ? { soapaction: `"${action}"` }
    : { 'content-type': `application/soap+xml; charset=utf-8${action === '' ? '' : `; action="${action}"`}` };

/** What a fault is called: its code, the last step of it, and what its detail holds. */
const namesOf = ({ code, detail }: SoapFault): string[] => [
  code,
  code.split('.').at(-1) ?? '',
  ...(detail?.children ?? []).flatMap((one) => [local(one), child(one, 'code')?.text.trim() ?? '']),
];

/** A fault as one of our errors; its text goes to the log only. */
function faultError(fault: SoapFault): SourceError {
  const detail = `SOAP fault ${namesOf(fault).filter(Boolean).join(' ')}: ${fault.text}`.slice(0, 500);
  return /^(Server|Receiver)$/.test(fault.code) ? unavailable(detail) : rejected(detail);
}

import { rejected, type SourceError, unavailable } from '../../kit/errors.ts';
import { child, localName, SOAP11, type SoapFault, SoapTransport, writeEnvelope } from '../../kit/protocols/soap.ts';
import { createFamily } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import { findOperation, type Reader } from '../core/source-description.ts';
import { createDriftCheck, type RereadableDescription, usedPaths } from '../description/description-drift.ts';
import { loadWsdl } from './load-wsdl.ts';
import { type WsdlSettings, wsdlSettings } from './settings.ts';
import { requestBody, responseData } from './soap-message.ts';
import type { SoapOperation, Wsdl } from './wsdl-document.ts';

/** Family of connectors for systems with a WSDL 1.1 description. */
export default createFamily<WsdlSettings, Wsdl & RereadableDescription>({
  name: 'wsdl',
  settings: wsdlSettings,
  protocol: () => 'soap',
  descriptionKey: (settings) => settings.wsdl,
  readDescription: async ({ wsdl }, folder, sharing) => ({
    ...(await loadWsdl(wsdl, folder, sharing)),
    reread: async () => {
      const description = await loadWsdl(wsdl, folder, sharing);
      return async () => description;
    },
  }),
  createReader: (described, settings, { log }, entities) => ({
    ...createWsdlReader(described, settings, entities),
    drift: createDriftCheck(described, { place: settings.wsdl, part: 'element', entities, log }),
  }),
});

/** Calls one installation. Opens no connection before the first call. */
export function createWsdlReader(
  description: Wsdl,
  settings: Pick<WsdlSettings, 'url' | 'headers' | 'check' | 'absent' | 'zone'>,
  entities: readonly TypedEntity[],
): Reader {
  const transport = new SoapTransport(settings.url);
  const pathsByOperation = usedPaths(entities);
  const noPaths = new Map<string, readonly string[]>();
  const reader: Reader = {
    operations: description.operations,
    call: async ({ operation: name, args, nullIfNotFound }, signal) => {
      const operation = findOperation(description, name) as SoapOperation | undefined;
      if (!operation) throw rejected(`the description has no operation ${name}`);
      const envelope = writeEnvelope([], requestBody(operation, args), operation.version);
      const { fault, body } = await transport.send(envelope, signal, {
        ...headersOf(operation),
        ...settings.headers,
      });
      if (fault) {
        if (nullIfNotFound && settings.absent !== null && faultNames(fault).includes(settings.absent)) return null;
        throw faultToSourceError(fault);
      }
      if (!body) throw unavailable('the response has an empty body');
      if (nullIfNotFound && body.children.length === 0) return null;
      const paths = new Set((pathsByOperation.get(name) ?? noPaths).keys());
      const data = responseData(operation, body, { zone: settings.zone, usedPaths: paths });
      return nullIfNotFound && Object.values(data).every((value) => value === null) ? null : data;
    },
    check: (signal) =>
      settings.check === null
        ? transport.checkReachable(signal, settings.headers)
        : reader.call({ operation: settings.check, args: {}, nullIfNotFound: false }, signal).then(() => undefined),
    close: () => transport.close(),
  };
  return reader;
}

const headersOf = ({ version, action }: SoapOperation): Record<string, string> =>
  version === SOAP11
    ? { soapaction: `"${action}"` }
    : { 'content-type': `application/soap+xml; charset=utf-8${action === '' ? '' : `; action="${action}"`}` };

/** Names by which `absent` can refer to a fault: its code, the last step of the code, and the elements and codes in its detail. */
const faultNames = ({ code, detail }: SoapFault): string[] => [
  code,
  code.split('.').at(-1) ?? '',
  ...(detail?.children ?? []).flatMap((entry) => [localName(entry), child(entry, 'code')?.text.trim() ?? '']),
];

/** A SOAP fault as an error. Its text is logged and not returned to clients. */
function faultToSourceError(fault: SoapFault): SourceError {
  const detail = `SOAP fault ${faultNames(fault).filter(Boolean).join(' ')}: ${fault.text}`.slice(0, 500);
  return /^(Server|Receiver)$/.test(fault.code) ? unavailable(detail) : rejected(detail);
}

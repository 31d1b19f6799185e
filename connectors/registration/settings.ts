import {
  custom,
  milliseconds,
  optionalText,
  type Setting,
  settings,
  url,
  type Values,
} from '../kit/config/settings.ts';
import type { Member } from './model.ts';

const member = (description: string, example: string): Setting<Member> =>
  custom<Member>(description, example, (raw) => {
    const parts = typeof raw === 'string' ? raw.split('/') : [];
    const [instance, memberClass, memberCode, subsystem] = parts;
    if (parts.length !== 4 || !instance || !memberClass || !memberCode || !subsystem) {
      throw new Error('must be instance/class/member/subsystem');
    }
    return { instance, memberClass, memberCode, subsystem };
  });

export const registrationSettings = settings('registration', {
  url: url("URL of the hub's X-Road security server", 'https://security-server.example/'),
  client: member("The hub's X-Road identifier", 'CN/GOV/500112/park-hub'),
  service: member("The register's X-Road identifier", 'CN/GOV/500000/company-register'),
  version: optionalText("Version of the register's services", 'v1'),
  ca: optionalText("PEM file with the CA of the security server's certificate", '/etc/isthmus/ca.pem'),
  cert: optionalText('PEM file with the client certificate for mutual TLS', '/etc/isthmus/client.pem'),
  key: optionalText('PEM file with the private key of the client certificate', '/etc/isthmus/client.key'),
  sync: milliseconds('Pause between two polls for changes in the register', '1h'),
  follow: milliseconds('Pause between two polls of open applications', '5s'),
  timeout: milliseconds('Timeout of one call', '2s'),
});

export type RegistrationSettings = Values<typeof registrationSettings>;

import { milliseconds, optionalText, type Setting, settings, structure, url } from '../kit/config/settings.ts';

/** An X-Road identifier of a subsystem; the model's `Member`. */
interface Identifier {
  readonly instance: string;
  readonly memberClass: string;
  readonly memberCode: string;
  readonly subsystem: string;
}

const member = (purpose: string, example: string): Setting<Identifier> =>
  structure<Identifier>(purpose, example, (raw) => {
    const parts = typeof raw === 'string' ? raw.split('/') : [];
    const [instance, memberClass, memberCode, subsystem] = parts;
    if (parts.length !== 4 || !instance || !memberClass || !memberCode || !subsystem) {
      throw new Error('must be instance/class/member/subsystem');
    }
    return { instance, memberClass, memberCode, subsystem };
  });

export const registrationSettings = settings('registration', {
  url: url('Address of our security server', 'https://security-server.example/'),
  client: member('Our X-Road identifier', 'CN/GOV/500112/park-hub'),
  service: member("The register's X-Road identifier", 'CN/GOV/500000/company-register'),
  version: optionalText("Version of the register's services", 'v1'),
  ca: optionalText('File with the authority that signed the security server (PEM)', '/etc/isthmus/ca.pem'),
  cert: optionalText('File with our certificate for mutual TLS (PEM)', '/etc/isthmus/client.pem'),
  key: optionalText('File with its private key (PEM)', '/etc/isthmus/client.key'),
  sync: milliseconds('Pause between readings of what has changed in the register', '1h'),
  follow: milliseconds('Pause between looks at applications under way', '5s'),
  timeout: milliseconds('How long one call may take', '2s'),
});

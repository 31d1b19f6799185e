import { milliseconds, optionalUrl, ownOfReplica, secret, settings, url, type Values } from '../kit/config/settings.ts';

export const parkingSettings = settings('parking', {
  url: url("Base address of the vendor's REST API", 'https://parking.example/api'),
  token: secret('Token issued by the vendor, sent as X-MCC-Access-Token'),
  webhookSecret: secret('Shared secret with which the vendor signs its webhooks'),
  callback: ownOfReplica(
    optionalUrl(
      'Address of /webhooks/<installation> as the vendor reaches it; given, the webhook is registered there by itself',
      'https://hub.example/webhooks/lakeside-parking',
    ),
  ),
  history: milliseconds('How far back observations are read at first', '1d'),
  poll: milliseconds('Pause between readings of observations', '30s'),
  timeout: milliseconds('How long one call may take', '2s'),
});

export type ParkingSettings = Values<typeof parkingSettings>;

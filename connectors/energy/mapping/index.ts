/** Maps registers, SunSpec models, MQTT payloads and commissioning sheets to the model. Pure. */

export * from './meter-sheet.ts';
export * from './mqtt-payloads.ts';
export * from './register-decoding.ts';
export * from './register-maps.ts';
export * from './sunspec.ts';

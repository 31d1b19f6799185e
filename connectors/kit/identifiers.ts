/** Checks and canonical forms of identifiers, for connectors, which may not import schema/graph everywhere. */
export {
  canonical,
  isEarlyXiamenUscc,
  isRegionCode,
  isSoleTrader,
  maskName,
  maskPlate,
  organisationCheck,
  parsePlate,
  parseUscc,
  usccCheck,
} from '../../schema/graph/identifiers.ts';

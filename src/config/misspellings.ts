import { closest, distance } from 'fastest-levenshtein';
import { settings } from './settings.ts';

/** A variable that Unseen does not read, and the setting whose name is similar. */
export interface Misspelling {
  readonly variable: string;
  readonly meant: string;
}

/**
 * Finds variables whose names are similar to the name of a setting, with or without the prefix UNSEEN_. The
 * longer the name, the more letters may differ. Ignores variables that Kubernetes sets for a service, such as
 * `UNSEEN_PORT=tcp://10.0.0.1:4000`.
 */
export function misspellings(env: NodeJS.ProcessEnv = process.env): readonly Misspelling[] {
  return Object.entries(env).flatMap(([variable, value = '']) => {
    if (variable in settings || value === '' || /^(tcp|udp|sctp):\/\//.test(value)) return [];
    const name = variable.replace(/^UNSEEN_/, '');
    const meant = closest(name, Object.keys(settings));
    const length = Math.max(name.length, meant.length);
    const isNear = distance(name, meant) <= (length > 10 ? 2 : length >= 5 ? 1 : 0);
    return isNear || isSwapped(name, meant) ? [{ variable, meant }] : [];
  });
}

/**
 * Whether the names differ only in two neighbouring letters that are swapped. Otherwise such a pair would
 * count as two changes.
 */
function isSwapped(name: string, meant: string): boolean {
  const at = [...name].findIndex((letter, index) => letter !== meant[index]);
  const swapped = name.slice(0, at) + name.charAt(at + 1) + name.charAt(at) + name.slice(at + 2);
  return name.length > 3 && at >= 0 && swapped === meant;
}

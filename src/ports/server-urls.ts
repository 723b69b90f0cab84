/**
 * Splits a URL with several hosts into one URL per server: `postgresql://a:5432,b:5432/db` becomes
 * `postgresql://a:5432/db` and `postgresql://b:5432/db`.
 */
export function serverUrls(url: string): readonly string[] {
  const [, scheme, login = '', hosts = '', rest = ''] =
    /^([a-z]+:\/\/)([^/?#]*@)?([^/?#]*)(.*)$/s.exec(url) ?? [];
  if (scheme === undefined) return [url];
  return hosts.split(',').map((host) => `${scheme}${login}${host}${rest}`);
}

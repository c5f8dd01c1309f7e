/** Under these, record text reads back as it was written; the capture trigger pins the same. */
export const PINNED: Readonly<Record<string, string>> = {
  datestyle: "ISO, YMD",
  intervalstyle: "postgres",
  timezone: "UTC",
  extra_float_digits: "1",
  bytea_output: "hex",
};

/** SQL that sets each setting for the rest of the transaction, as a select list. */
export function setLocal(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `set_config('${name}', '${value.replaceAll("'", "''")}', true)`)
    .join(", ");
}
